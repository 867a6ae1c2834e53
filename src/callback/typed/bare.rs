//! Callbacks without user data: found by their type, among those that are lent to the code that C runs under.
//!
//! # Rules
//!
//! 1. The function pointer of a `bare` callback belongs to its type, lifetimes aside; so does the [key](key) that it is found
//!    by. What is found under a key has just that type.
//! 2. Two of one type could not be told apart, so the second is not lent where the first would be found.
//! 3. C may call the function when nothing is lent, on any thread: for this the first of a type to be lent leaves its
//!    fallback behind, for good. There are as many as there are such types in the program.

use super::{Body, Callback, Fallback, Inner, Signature, refused, run};
use crate::context;
use crate::error::Refused;
use crate::observe;
use std::any::TypeId;
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

impl<K, D, A> Callback<K, D, A> {
    /// Lends the callback to `f` as a function that takes no user data, `unsafe extern "C" fn(…) -> R`: for `qsort`, `nftw`,
    /// `glob`, and others that have no place for it.
    ///
    /// While `f` runs, C that it calls finds the closure through the running call: it is to be used within the closure of a
    /// [`call`](crate::call), or, if it is a [`leaf`](Self::leaf), anywhere.
    ///
    /// ```
    /// use std::ffi::c_void;
    ///
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().worker_threads(1).build().unwrap();
    /// # runtime.block_on(async { tokio::spawn(async {
    /// let compare = cede::Callback::new(0, async |a: *const c_void, b: *const c_void| {
    ///     tokio::task::yield_now().await;
    ///     // SAFETY: `qsort` below is given `i32`s.
    ///     let (a, b) = unsafe { (*a.cast::<i32>(), *b.cast::<i32>()) };
    ///     a.cmp(&b) as i32
    /// });
    /// let mut numbers = [3, 1, 2];
    /// cede::call(|| {
    ///     compare.bare(|compare| unsafe {
    ///         libc::qsort(numbers.as_mut_ptr().cast(), 3, 4, Some(compare));
    ///     })
    /// })
    /// .await;
    /// assert_eq!(numbers, [1, 2, 3]);
    /// # }).await.unwrap(); });
    /// ```
    ///
    /// Where the C function wants a function that is safe to call, `extern "C" fn`, `transmute` makes it one.
    ///
    /// # Refusals
    ///
    /// Called by C where it is not lent, on a thread of its own or when `f` has returned, the function is defined all the same:
    /// C gets the fallback that the first callback of this type was lent with ([`Refused::NotLent`], a `WARN` event). For
    /// this the fallback is kept for the rest of the process. A call that is made by a callback's future does not find what is
    /// lent further out.
    ///
    /// # Panics
    ///
    /// If one of the same type is lent already where this one would be: C has one function pointer for both. Each closure
    /// expression of a program is a type of its own; those of one expression (in a loop, or in a function that is called
    /// twice) share theirs. An `ERROR` event says so too.
    #[track_caller]
    pub fn bare<T>(&self, f: impl FnOnce(A::Bare) -> T) -> T
    where
        A: Signature<K, D>,
        D: Clone + Sync + 'static,
    {
        let key = key::<K, D, A>();
        if context::find(key).is_some() {
            observe::lent_twice(std::panic::Location::caller());
            panic!("two `bare` callbacks of one type at once: C could not tell them apart");
        }
        LastResort::leave(key, &self.inner.fallback);
        let inner = NonNull::from(&*self.inner).cast();
        context::lend(key, inner, || f(A::bare()))
    }
}

/// What the trampoline of a bare callback does.
///
/// # Safety
///
/// The contract of [`Callback`], but for what it says of user data.
#[inline(always)]
pub(super) unsafe fn run_bare<K, D, A>(arguments: A) -> K::Output
where
    K: Body<A>,
    D: Fallback<A, K::Output> + Clone + Sync + 'static,
{
    match context::find(key::<K, D, A>()) {
        Some(inner) => {
            let inner: *const Inner<K, D> = inner.cast().as_ptr();
            // SAFETY: rule 1; whoever lends it keeps it until it is no longer found.
            unsafe { run(inner, arguments) }
        }
        None => not_lent::<K, D, A>(&arguments),
    }
}

#[cold]
fn not_lent<K, D, A>(arguments: &A) -> K::Output
where
    K: Body<A>,
    D: Fallback<A, K::Output> + Sync + 'static,
{
    let fallback: &D = LastResort::find(key::<K, D, A>())
        .expect("nobody has the function before it was first lent");
    fallback.get(refused(Refused::NotLent), fallback.keep(arguments))
}

/// Names a type of callbacks, lifetimes aside.
///
/// They must stay aside: closures that borrow are not `'static`, and what differs in lifetimes alone is the same code, and so
/// the same function pointer.
#[inline(always)]
fn key<K, D, A>() -> TypeId {
    trait Named {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T> Named for PhantomData<T> {
        #[inline(always)]
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let named: &dyn Named = &PhantomData::<Callback<K, D, A>>;
    // SAFETY: the two types are one, lifetimes aside, and the value has no bytes that could refer to anything.
    let named: &(dyn Named + 'static) = unsafe { std::mem::transmute(named) };
    named.id()
}

/// The fallback of a type of bare callbacks, kept for good (rule 3). On a list that only grows, without a lock.
struct LastResort {
    key: TypeId,
    /// A `D`, leaked, of the type that the key stands for.
    fallback: NonNull<()>,
    next: *const LastResort,
}

static LAST_RESORTS: AtomicPtr<LastResort> = AtomicPtr::new(null_mut());

impl LastResort {
    /// Leaves a fallback behind, unless there is one.
    fn leave<D: Clone + Sync + 'static>(key: TypeId, fallback: &D) {
        if Self::find::<D>(key).is_some() {
            return;
        }
        let fallback: &'static D = Box::leak(Box::new(fallback.clone()));
        let this = Box::leak(Box::new(Self {
            key,
            fallback: NonNull::from(fallback).cast(),
            next: LAST_RESORTS.load(Ordering::Relaxed),
        }));
        // Two threads may leave one each; that is a waste, once, and no more.
        while let Err(other) = LAST_RESORTS.compare_exchange_weak(
            this.next.cast_mut(),
            this,
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            this.next = other;
        }
    }

    /// The fallback of this type. `D` is the one that is part of the key.
    fn find<D: Sync + 'static>(key: TypeId) -> Option<&'static D> {
        let mut next = LAST_RESORTS.load(Ordering::Acquire).cast_const();
        // SAFETY: null, or leaked when it was complete.
        while let Some(this) = unsafe { next.as_ref() } {
            if this.key == key {
                // SAFETY: leaked by `leave`, with the same key and so the same type; it is `Sync`.
                return Some(unsafe { this.fallback.cast().as_ref() });
            }
            next = this.next;
        }
        None
    }
}
