//! Calls that are cancelled, and awaited all the same.

use super::awaited::{Awaited, Failure, Plan};
use super::flight::Flight;
use super::life;
use super::shutdown;
use crate::lane::NotAdmitted;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

/// A future that is ready when C has returned, or is known not to run. Made by
/// [`Offload::cancellable`](crate::Offload::cancellable).
///
/// Dropping it cancels the call, as with any offloaded call.
///
/// # Panics
///
/// A panic of the closure or of a callback is raised from the `await`.
#[must_use = "C does not run unless the call is awaited or started"]
pub struct Cancellable<R>(Awaited<R>);

/// Cancels an offloaded call. Made by [`Offload::cancellable`](crate::Offload::cancellable).
///
/// It may be cloned, kept, and used from any thread, also when the call is long over. Dropping it does nothing.
#[derive(Clone)]
pub struct Canceller(Weak<dyn shutdown::Cancellable>);

/// Takes the plan apart.
pub(super) fn new<F, R>(plan: Plan<F, R>) -> (Canceller, Cancellable<R>)
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let (flight, lane) = plan.into_flight();
    let canceller: Weak<Flight<F, R>> = Arc::downgrade(&flight);
    (
        Canceller(canceller),
        Cancellable(Awaited::Ready(flight, lane)),
    )
}

impl Canceller {
    /// Cancels the call, unless it is over.
    ///
    /// C that has not begun will not run: the closure is dropped here. C that runs is treated as the call's
    /// [policy](crate::Offload::on_cancel) says, its callbacks are refused from now on, and a callback that it waits for is refused at
    /// once: its future is dropped here, or by the task if that is polling it. The future is ready when C has returned, and not before.
    ///
    /// Never blocks, beyond what the hook and the destructors named above take.
    pub fn cancel(&self) {
        if let Some(call) = self.0.upgrade() {
            call.cancel();
        }
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").finish_non_exhaustive()
    }
}

// Nothing is pinned in here: what has begun is elsewhere.
impl<R> Unpin for Cancellable<R> {}

impl<R> Cancellable<R> {
    /// As [`Offload::try_start`](crate::Offload::try_start).
    ///
    /// # Errors
    ///
    /// If the lane is full or closed. The call is as it was: it may be awaited, or tried again.
    pub fn try_start(&mut self) -> Result<(), NotAdmitted> {
        self.0.begin(true).map(drop)
    }
}

impl<R> Future for Cancellable<R> {
    type Output = Result<R, NotRun>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|outcome| match outcome {
            Ok(Ok(returned)) => Ok(returned),
            Ok(Err(payload)) => resume_unwind(payload),
            Err(failure) => Err(NotRun(failure)),
        })
    }
}

impl<R> fmt::Debug for Cancellable<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancellable").finish_non_exhaustive()
    }
}

/// C was not run. The closure has been dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRun(Failure);

impl NotRun {
    /// The call was cancelled before C had begun.
    pub fn is_cancelled(&self) -> bool {
        self.0 == Failure::NotRun(life::NotRun::Cancelled)
    }

    /// The lane was closed before the call.
    pub fn is_closed(&self) -> bool {
        matches!(self.0, Failure::NotAdmitted(why) if why.is_closed())
    }

    /// The runtime has shut down, or the system had no thread.
    pub fn is_discarded(&self) -> bool {
        self.0 == Failure::NotRun(life::NotRun::Discarded)
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C was not run: {}", self.0)
    }
}

impl std::error::Error for NotRun {}
