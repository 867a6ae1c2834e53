//! Closures that run on the C stack, right where C calls them.

use super::{Body, Callback, IntoFallback, keep_panic, refused};
use crate::context::with_current;
use crate::errno;
use crate::error::Refused;
use crate::panic::caught;
use std::cell::RefCell;

impl<F, D, A> Callback<Leaf<F>, D, A>
where
    Leaf<F>: Body<A>,
{
    /// A callback that runs under C, right there, and cannot await: `FnMut(…) -> R`. For comparators, allocators, and whatever
    /// else is short: no switch, no future.
    ///
    /// ```
    /// use std::ffi::c_void;
    ///
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    /// # runtime.block_on(async { tokio::spawn(async {
    /// let compare = cede::Callback::leaf(0, |a: *const c_void, b: *const c_void| {
    ///     // SAFETY: `qsort_r` below is given `i32`s.
    ///     let (a, b) = unsafe { (*a.cast::<i32>(), *b.cast::<i32>()) };
    ///     a.cmp(&b) as i32
    /// });
    /// let mut numbers = [3, 1, 2];
    /// # #[cfg(target_os = "linux")]
    /// cede::call(|| unsafe {
    ///     libc::qsort_r(numbers.as_mut_ptr().cast(), 3, 4, Some(compare.data_last()), compare.data())
    /// })
    /// .await;
    /// # #[cfg(target_os = "linux")]
    /// assert_eq!(numbers, [1, 2, 3]);
    /// # }).await.unwrap(); });
    /// ```
    ///
    /// Works outside of a [`call`](crate::call) as well. Blocking in it is blocking in C: the slot is ceded or not, as
    /// the call has it. A call that is cancelled still runs its leaves, so that C can clean up.
    pub fn leaf<V, M>(fallback: V, closure: F) -> Self
    where
        V: IntoFallback<A, <Leaf<F> as Body<A>>::Output, M, Fallback = D>,
    {
        Self::of(Leaf::new(closure), fallback.into_fallback())
    }
}

impl<F, D, A> Callback<SharedLeaf<F>, D, A>
where
    SharedLeaf<F>: Body<A>,
{
    /// A [`leaf`](Self::leaf) that C may call again while it runs, and on any thread: `Fn(…) -> R`, `Sync`.
    pub fn shared_leaf<V, M>(fallback: V, closure: F) -> Self
    where
        V: IntoFallback<A, <SharedLeaf<F> as Body<A>>::Output, M, Fallback = D>,
    {
        Self::of(SharedLeaf::new(closure), fallback.into_fallback())
    }
}

/// The closure of [`Callback::leaf`](crate::Callback::leaf): one at a time.
#[derive(Debug)]
pub struct Leaf<F>(RefCell<F>);

impl<F> Leaf<F> {
    pub(super) fn new(closure: F) -> Self {
        Self(RefCell::new(closure))
    }

    #[inline(always)]
    pub(super) fn run_with<R>(&self, enter: impl FnOnce(&mut F) -> R) -> Result<R, Refused> {
        match self.0.try_borrow_mut() {
            Ok(mut closure) => under_c(|| enter(&mut closure)),
            Err(_) => Err(refused(Refused::Reentered)),
        }
    }
}

/// The closure of [`Callback::shared_leaf`](crate::Callback::shared_leaf): on any thread, as often as C likes.
#[derive(Debug)]
pub struct SharedLeaf<F>(F);

impl<F> SharedLeaf<F> {
    pub(super) fn new(closure: F) -> Self {
        Self(closure)
    }

    #[inline(always)]
    pub(super) fn run_with<R>(&self, enter: impl FnOnce(&F) -> R) -> Result<R, Refused> {
        under_c(|| enter(&self.0))
    }
}

/// Runs `f` as code of C's, unless the call has a panic to raise already.
#[inline(always)]
fn under_c<R>(f: impl FnOnce() -> R) -> Result<R, Refused> {
    let (refusal, changes_threads) = with_current(|context| match context {
        Some(context) => (context.refusal(), context.changes_threads()),
        None => (None, false),
    });
    if refusal == Some(Refused::Panicked) {
        return Err(refused(Refused::Panicked));
    }
    run_under_c(changes_threads, f)
}

/// Runs `f` as code of C's.
#[inline(always)]
pub(super) fn run_under_c<R>(changes_threads: bool, f: impl FnOnce() -> R) -> Result<R, Refused> {
    let _errno = errno::Keep::on(changes_threads);
    caught(f).map_err(keep_panic)
}
