//! Closures that await, by how C may enter them. What they do with their arguments is in [`arity`](super::arity).

use super::{Body, Callback, IntoFallback, keep_panic, refused};
use crate::context::with_current;
use crate::errno::Keep;
use crate::error::Refused;
use crate::panic::caught;
use std::cell::{RefCell, RefMut};

impl<F, D, A> Callback<Exclusive<F>, D, A>
where
    Exclusive<F>: Body<A>,
{
    /// A callback whose closure runs one at a time: `AsyncFnMut(…) -> R`.
    ///
    /// The body of the async closure runs on the task that called C, as the future of
    /// [`callback_local`](crate::callback_local) does, and may borrow. (A plain closure that returns a future is an
    /// `AsyncFnMut` too. It is called under C, and what it returns runs on the task.) C that calls back again while this is pending, through another callback's call perhaps, gets
    /// the fallback ([`Refused::Reentered`], a `WARN` event).
    pub fn new<V, M>(fallback: V, closure: F) -> Self
    where
        V: IntoFallback<A, <Exclusive<F> as Body<A>>::Output, M, Fallback = D>,
    {
        Self::of(Exclusive::new(closure), fallback.into_fallback())
    }
}

impl<F, D, A> Callback<Shared<F>, D, A>
where
    Shared<F>: Body<A>,
{
    /// A callback that C may enter again while it is pending: `AsyncFn(…) -> R`.
    ///
    /// As [`new`](Self::new) otherwise.
    pub fn shared<V, M>(fallback: V, closure: F) -> Self
    where
        V: IntoFallback<A, <Shared<F> as Body<A>>::Output, M, Fallback = D>,
    {
        Self::of(Shared::new(closure), fallback.into_fallback())
    }
}

impl<F, D, A> Callback<Sendable<F>, D, A>
where
    Sendable<F>: Body<A>,
{
    /// A callback for any call, also one that may change threads: `FnMut(…) -> impl Future<Output = R> + Send`, `R: Send`.
    ///
    /// The closure itself runs under C, on C's thread and stack, and takes from the arguments what its future needs, as owned
    /// values or as [`SendPtr`](crate::SendPtr); the future then runs on the task that called C. It does not borrow from the closure,
    /// so C may call again while it is pending. An async closure will do too, if it only reads what it captures by reference.
    ///
    /// ```
    /// use std::ffi::{CStr, c_char, c_int};
    ///
    /// let (send, receive) = tokio::sync::mpsc::channel(8);
    /// let names = cede::Callback::sendable(1, |name: *const c_char, length: c_int| {
    ///     // SAFETY: C passes a string.
    ///     let name = unsafe { CStr::from_ptr(name) }.to_owned();
    ///     let send = send.clone();
    ///     async move { send.send((name, length)).await.map_or(1, |()| 0) }
    /// });
    /// # let _ = (names.data(), receive);
    /// ```
    pub fn sendable<V, M>(fallback: V, closure: F) -> Self
    where
        V: IntoFallback<A, <Sendable<F> as Body<A>>::Output, M, Fallback = D>,
    {
        Self::of(Sendable::new(closure), fallback.into_fallback())
    }
}

/// The closure of [`Callback::new`](crate::Callback::new): one at a time.
#[derive(Debug)]
pub struct Exclusive<F>(RefCell<F>);

impl<F> Exclusive<F> {
    pub(super) fn new(closure: F) -> Self {
        Self(RefCell::new(closure))
    }

    /// The closure, if it may run now, and what keeps errno meanwhile. It is nobody else's until the result is dropped.
    #[inline(always)]
    pub(super) fn enter(&self) -> Result<(Keep, RefMut<'_, F>), Refused> {
        enter_alone(&self.0)
    }
}

/// The closure of [`Callback::shared`](crate::Callback::shared): entered as often as C likes.
#[derive(Debug)]
pub struct Shared<F>(F);

impl<F> Shared<F> {
    pub(super) fn new(closure: F) -> Self {
        Self(closure)
    }

    /// The closure, if it may run now, and what keeps errno meanwhile.
    #[inline(always)]
    pub(super) fn enter(&self) -> Result<(Keep, &F), Refused> {
        Ok((admit()?, &self.0))
    }
}

/// The closure of [`Callback::sendable`](crate::Callback::sendable): makes futures that may go to another thread.
#[derive(Debug)]
pub struct Sendable<F>(RefCell<F>);

impl<F> Sendable<F> {
    pub(super) fn new(closure: F) -> Self {
        Self(RefCell::new(closure))
    }

    /// The closure, if it may run now, and what keeps errno meanwhile. It is nobody else's until the result is dropped.
    #[inline(always)]
    pub(super) fn enter(&self) -> Result<(Keep, RefMut<'_, F>), Refused> {
        enter_alone(&self.0)
    }
}

/// The closure of a kind that runs one at a time.
#[inline(always)]
fn enter_alone<F>(closure: &RefCell<F>) -> Result<(Keep, RefMut<'_, F>), Refused> {
    let errno = admit()?;
    match closure.try_borrow_mut() {
        Ok(closure) => Ok((errno, closure)),
        Err(_) => Err(refused(Refused::Reentered)),
    }
}

/// Has a closure make its future. An async closure does no more than that; any other may do what it likes, and panic.
#[inline(always)]
pub(super) fn make<Fut>(make: impl FnOnce() -> Fut) -> Result<Fut, Refused> {
    caught(make).map_err(keep_panic)
}

/// Refuses where no future would run, so that the closure is not touched. From here on errno is kept.
#[inline(always)]
fn admit() -> Result<Keep, Refused> {
    let why = with_current(|context| match context {
        Some(context) => match context.refusal() {
            None => Ok(context.changes_threads()),
            Some(why) => Err(why),
        },
        None => Err(Refused::NoCall),
    });
    match why {
        Ok(changes_threads) if !std::thread::panicking() => Ok(Keep::on(changes_threads)),
        Ok(_) => Err(refused(Refused::Panicking)),
        Err(why) => Err(refused(why)),
    }
}
