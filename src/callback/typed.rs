//! Typed callbacks: a closure as the function pointer and the user data that C takes.
//!
//! ```text
//!   C ──(data, a, b)──▶ trampoline ─▶ Inner ─▶ kind ─▶ callback_local(closure(a, b))
//!                       (arity.rs)     │               or the closure itself (leaf.rs)
//!                                      └─ refused ─▶ fallback ──▶ C
//! ```
//!
//! A trampoline has the types of its callback as parameters, and from C the address of the [`Inner`]: nothing is looked up, and
//! nothing allocated. Where C passes no user data the address is found by the callback's type ([`bare`](self::bare)).
//!
//! # Rules
//!
//! 1. A closure that may not be entered twice lies in a `RefCell`: to enter it while it runs, or while its future is pending,
//!    is a refusal. It is borrowed on C's side, from before its future is made until that is gone, but not before it is known
//!    that a call is running: where none is, on a thread of C's own, nothing is touched.
//! 2. What unwinds is caught on this side of C: by [`callback`](crate::callback()), or by the kind. What cannot be
//!    caught with a value for C at hand (a fallback that panics) ends the process, as the `extern "C"` of the trampolines has it.

mod arity;
mod bare;
mod fallback;
mod given;
mod kind;
mod leaf;
mod logging;
mod send_ptr;

pub use arity::{Body, Signature};
pub use fallback::{
    ByArguments, ByFunction, ByValue, Fallback, Function, IntoFallback, OfArguments, Value,
};
pub use given::Given;
pub use kind::{Exclusive, Sendable, Shared};
pub use leaf::{Leaf, SharedLeaf};
pub use logging::Logging;
pub use send_ptr::SendPtr;

use crate::context::with_current;
use crate::errno;
use crate::error::Refused;
use crate::observe;
use crate::panic::{Payload, discard};
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

/// A closure that C can call: a function pointer of the type that C wants, and the user data that goes with it.
///
/// ```
/// use std::ffi::{c_int, c_void};
///
/// // A C function, as a `-sys` crate declares it.
/// # #[allow(clippy::missing_safety_doc)]
/// unsafe fn for_each(
///     n: c_int,
///     each: Option<unsafe extern "C" fn(*mut c_void, c_int) -> c_int>,
///     data: *mut c_void,
/// ) -> c_int
/// # {
/// #     let each = each.unwrap();
/// #     (0..n).map(|i| unsafe { each(data, i) }).find(|&code| code != 0).unwrap_or(0)
/// # }
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// # runtime.block_on(async { tokio::spawn(async {
/// let (send, mut receive) = tokio::sync::mpsc::channel(8);
/// let mut sum = 0;
/// let each = cede::Callback::new(-1, async |number: c_int| {
///     sum += number;
///     send.send(number).await.map_or(1, |()| 0)
/// });
/// // SAFETY: the callback is there until C has returned.
/// let code = cede::call(|| unsafe { for_each(3, Some(each.data_first()), each.data()) }).await;
/// assert_eq!((code, sum), (0, 3));
/// # assert_eq!(receive.recv().await, Some(0));
/// # }).await.unwrap(); });
/// ```
///
/// The parameters of the closure are those of the C function, without the user data; they have to be written down, for nothing
/// else tells what they are. At most eight.
///
/// # Kinds of closure
///
/// | | closure | runs | entered again while it runs or its future is pending |
/// |---|---|---|---|
/// | [`Callback::new`] | `AsyncFnMut(…) -> R` | on the calling task | refused: [`Refused::Reentered`] |
/// | [`Callback::shared`] | `AsyncFn(…) -> R` | on the calling task | allowed |
/// | [`Callback::sendable`] | `FnMut(…) -> impl Future<Output = R> + Send` | closure under C, future on the calling task | closure refused, future allowed |
/// | [`Callback::leaf`] | `FnMut(…) -> R` | under C, right there | refused |
/// | [`Callback::shared_leaf`] | `Fn(…) -> R`, `Sync` | under C, on any thread | allowed |
/// | [`CLog::callback`](crate::CLog::callback) | `Fn(&CLog, …) -> R`, `Sync` | under C, on any thread | allowed |
///
/// The first two run under calls that keep to their thread; under one that may change threads at a callback
/// ([`migratable`](crate::Call::migratable)), and under offloaded ones, they are refused ([`Refused::NotLocal`]), because on stable Rust no bound says that the futures of an
/// async closure are `Send`. `sendable` is for both.
///
/// # Where C takes the user data
///
/// [`data_first`](Self::data_first) and [`data_last`](Self::data_last) as a parameter; [`data_in`](Self::data_in) within
/// another one; [`bare`](Self::bare) not at all.
///
/// # Who frees it
///
/// | C uses it | |
/// |---|---|
/// | during the call | lend `&callback` to the call's closure; it may borrow from its surroundings, and the borrows end with it |
/// | until it is told to stop | keep the callback, and drop it after that: C's handle and the callback in one struct, in this order |
/// | until C calls a destructor | [`give`](Self::give) it to C |
///
/// # Fallback
///
/// What C gets if there is no answer: a value, or a function of [`Refused`], and of the arguments if that is how C is told of
/// an error ([more](crate::typed::IntoFallback)). It is used when the callback is refused, by
/// [`callback`](crate::callback()) or because of what the tables here say, and when it panics. Choose what makes C give up by
/// its own rules. The function runs under C, as code of C's; if it panics the process ends.
///
/// # Panics
///
/// A panic of the closure, or of its future, is kept, refuses this callback and every later one of the call, and is raised from
/// the awaited call when C has returned. Nothing unwinds into C. Outside of any call, where only leaves run, it is reported
/// (an `ERROR` event), and C gets the fallback.
///
/// # errno
///
/// Is for C what it was before the callback.
///
/// # Safety
///
/// To make a callback and to get its pointers is safe; to have C call them is not. Whoever passes them to C answers for this:
///
/// 1. Function pointer and user data come from the same callback. ([`bare`](Self::bare) needs none, and none of the
///    clauses that are about it.)
/// 2. C does not use them any more when the callback is dropped, which it is not while the closure runs or its future is
///    pending; nor, if it is forgotten, when what its closure borrows is gone.
/// 3. C passes what the signature says; and whatever else the closure takes for granted about its arguments is true.
/// 4. C does not call it on several threads at once, except a [`shared_leaf`](Self::shared_leaf) and a log's. On a thread that runs no
///    [`call`](crate::call) of this crate's, a callback that is no leaf is refused before anything but its fallback
///    is touched ([`Refused::NoCall`]); so C may call it there whenever it likes.
/// 5. The thread may run the closure: it is the one where the callback is, or the callback is `Sync`.
/// 6. C does not leave the callback by `longjmp`.
///
/// For callbacks that C may call late, or from threads of its own, a pointer is too little to go by: this type is not for them, but
/// [`Registered`](crate::Registered) is.
///
/// # Cost
///
/// One allocation when it is made, none when it is called.
#[must_use = "C can only call what is there"]
pub struct Callback<K, D, A> {
    /// Never cloned. Not a box, which lays claim to what it points to whenever it is moved; C points there too.
    inner: Rc<Inner<K, D>>,
    arguments: PhantomData<fn(A)>,
}

// SAFETY: the `Rc` has one owner, so its count is not shared; what moves are the kind and the fallback. Arguments only pass
// through.
unsafe impl<K: Send, D: Send, A> Send for Callback<K, D, A> {}

// SAFETY: a shared reference gives nothing but pointers, and nothing that calls the closure, which takes `unsafe`. By clause 4
// threads that share it take turns, for which the closure needs to be `Send`.
unsafe impl<K: Send, D: Send, A> Sync for Callback<K, D, A> {}

/// What the user data points to.
struct Inner<K, D> {
    kind: K,
    fallback: D,
}

impl<K, D, A> Callback<K, D, A> {
    fn of(kind: K, fallback: D) -> Self {
        Self {
            inner: Rc::new(Inner { kind, fallback }),
            arguments: PhantomData,
        }
    }

    /// The user data to pass to C.
    ///
    /// The same each time, also after the callback has been moved. It is valid until the callback is dropped.
    #[must_use]
    pub fn data(&self) -> *mut c_void {
        Rc::as_ptr(&self.inner).cast_mut().cast()
    }

    /// The function to pass to C where the user data comes first: `unsafe extern "C" fn(*mut c_void, …) -> R`.
    ///
    /// See [Safety](Self#safety) for what C has to keep to.
    #[must_use]
    pub fn data_first(&self) -> A::DataFirst
    where
        A: Signature<K, D>,
    {
        A::data_first()
    }

    /// The function to pass to C where the user data comes last: `unsafe extern "C" fn(…, *mut c_void) -> R`.
    ///
    /// See [Safety](Self#safety) for what C has to keep to.
    #[must_use]
    pub fn data_last(&self) -> A::DataLast
    where
        A: Signature<K, D>,
    {
        A::data_last()
    }

    /// The function to pass to C where the user data is found within the arguments: `unsafe extern "C" fn(…) -> R`.
    ///
    /// `find` gets at it: out of a context that C passes, or a field of a struct. It must capture nothing, for there is
    /// no place to keep it. If it panics the process ends.
    ///
    /// ```
    /// use std::ffi::{c_int, c_void};
    ///
    /// #[repr(C)]
    /// struct Transfer { length: c_int, user_data: *mut c_void }
    ///
    /// let done = cede::Callback::new(-1, async |transfer: *mut Transfer| {
    ///     // SAFETY: C passes one, and does not touch it before this has returned.
    ///     unsafe { (*transfer).length }
    /// });
    /// // SAFETY: as above.
    /// let function = done.data_in(|&(transfer,)| unsafe { (*transfer).user_data });
    /// # let f: unsafe extern "C" fn(*mut Transfer) -> c_int = function;
    /// let transfer = Transfer { length: 0, user_data: done.data() };
    /// # let _ = (f, transfer.length, transfer.user_data);
    /// ```
    ///
    /// See [Safety](Self#safety) for what C has to keep to; clause 1 is about what `find` returns.
    #[must_use]
    pub fn data_in<G>(&self, find: G) -> A::Bare
    where
        A: Signature<K, D>,
        G: Fn(&A) -> *mut c_void + Copy + 'static,
    {
        data_in::<K, D, A, G>(find)
    }
}

impl<K, D, A> fmt::Debug for Callback<K, D, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Callback").field(&self.data()).finish()
    }
}

fn data_in<K, D, A, G>(_find: G) -> A::Bare
where
    A: Signature<K, D>,
    G: Fn(&A) -> *mut c_void + Copy,
{
    const { assert!(size_of::<G>() == 0, "`find` must capture nothing") };
    A::data_in::<G>()
}

/// Runs a callback.
///
/// # Safety
///
/// `inner` is what the user data of a callback that is there points to; the rest is the contract of [`Callback`].
#[inline(always)]
unsafe fn run<K, D, A>(inner: *const Inner<K, D>, arguments: A) -> K::Output
where
    K: Body<A>,
    D: Fallback<A, K::Output>,
{
    // SAFETY: by this function's contract.
    let Inner { kind, fallback } = unsafe { &*inner };
    let kept = fallback.keep(&arguments);
    match kind.run(arguments) {
        Ok(answer) => answer,
        Err(why) => fallback.get(why, kept),
    }
}

/// Tells of a refusal that is this module's own.
#[cold]
#[inline(never)]
fn refused(why: Refused) -> Refused {
    let _errno = errno::Keep::new();
    with_current(|context| {
        observe::refused(
            context.map(|context| context.label() as &dyn fmt::Display),
            why,
        );
    });
    why
}

/// Keeps a panic that was caught under C for the running call to raise.
#[cold]
#[inline(never)]
fn keep_panic(payload: Payload) -> Refused {
    observe::counter::PANICS.add(1);
    with_current(|context| match context {
        Some(context) => context.keep_panic(payload),
        None => {
            observe::panicked_outside();
            discard(payload);
        }
    });
    refused(Refused::Panicked)
}
