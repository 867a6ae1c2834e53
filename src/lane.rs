//! Lanes: threads of their own for C that wants them, with a line of calls before them.
//!
//! The parts: `queue` says who is next, `threads` runs them, `census` knows all lanes. What a job is, a lane does not know.

mod builder;
mod census;
mod queue;
mod threads;

pub use builder::LaneBuilder;
pub use census::LaneMetrics;

pub(crate) use census::all;
pub(crate) use threads::Place;

use queue::WhyNot;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use threads::Shared;

/// What a lane runs.
pub(crate) trait Job: Send + Sync {
    /// Gives the place back, by dropping it, before anybody is told that the job is done.
    fn run(self: Arc<Self>, place: Place);
    /// It will not be run: whoever was to do it is gone. (A lane serves everybody in line.)
    fn discard(self: Arc<Self>);
}

/// A thread of its own for a library that is bound to one, or a few threads for calls that are not to take more.
///
/// Calls come to a lane with [`Offload::on_lane`](crate::Offload::on_lane). They stand in one line, in the order in which they
/// were polled first, and a lane with one thread, which is what [`Lane::new`] makes, runs them one after the other, on the same
/// thread always: what `LockOSThread` is for in Go.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let lane = cede::Lane::new("tcl")?;
/// // The library's state lives in this thread, and nowhere else.
/// let first = cede::offload(|| std::thread::current().id()).on_lane(&lane).await;
/// let again = cede::offload(|| std::thread::current().id()).on_lane(&lane).await;
/// assert_eq!(first, again);
/// lane.close().await;
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
///
/// # Places
///
/// A lane has as many places as it has threads plus the length of its [`queue`](LaneBuilder::queue). A call has a place
/// from the moment it is admitted until C has *really* returned, also if its future is dropped meanwhile. When there is no
/// place an awaited call waits for one, in line; [`Offload::try_start`](crate::Offload::try_start) fails at once. A call that is
/// dropped while it waits leaves the line, and whoever is behind it moves up.
///
/// # Threads
///
/// They belong to no runtime: a lane serves any number of them, also current-thread ones, and outlives each. So
/// `tokio::runtime::Handle::current()` panics in a call on a lane, unless the closure brings a handle of its own. C runs on the
/// thread's own stack. Paused test time goes on while a lane is in C, since tokio does not know of it.
///
/// # Callbacks
///
/// A callback may offload to the lane that it comes from: the thread, which waits for the callback, runs that call meanwhile, on
/// top. This is the case for whatever the callback's future polls, to any depth; not for tasks that it spawns. Code that *blocks*
/// on a call to its own lane, instead of awaiting it in a callback, waits for itself. And two lanes whose callbacks call each other
/// may come to wait for each other, as two locks that are taken in either order.
///
/// # Shutdown
///
/// [`close`](Self::close) serves who is in line, and tells when that is done. A lane that is dropped is closed too; nobody waits
/// then. At the end of the process its threads end where they are, as every thread does.
///
/// A `Lane` is a handle: a clone is the same lane, which is closed when the last of them is dropped.
#[derive(Clone)]
pub struct Lane(Arc<Owner>);

/// Closes the lane when the last handle goes.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Tells lanes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId(usize);

impl Lane {
    /// Starts a lane with one thread, named after it, and a queue of 128.
    ///
    /// # Errors
    ///
    /// If the system has no thread, or the name has a NUL in it.
    pub fn new(name: impl Into<String>) -> io::Result<Self> {
        Self::builder(name).start()
    }

    /// A lane with settings.
    pub fn builder(name: impl Into<String>) -> LaneBuilder {
        LaneBuilder::new(name.into())
    }

    fn owning(threads: Arc<Shared>) -> Self {
        Self(Arc::new(Owner(threads)))
    }

    /// Closes the lane: from now on calls are refused, without waiting for the future to be polled. Those in line are served,
    /// also those that wait for a place. The future is ready when C has returned from the last of them and the threads are
    /// through with [`on_stop`](LaneBuilder::on_stop). Dropping it changes nothing: the lane is closed, and serves its line.
    ///
    /// Not to be awaited in a callback of the lane itself: it would wait for its own end.
    pub fn close(&self) -> LaneClose {
        self.0.0.close();
        LaneClose(self.0.0.clone())
    }

    /// Whether the lane takes no more calls.
    pub fn is_closed(&self) -> bool {
        self.0.0.with_jobs(|jobs| jobs.is_closed())
    }

    /// The name that the threads have.
    pub fn name(&self) -> &str {
        self.0.0.name()
    }

    /// How many calls are in line: admitted or not, C has not begun.
    pub fn waiting(&self) -> usize {
        self.0.0.with_jobs(|jobs| jobs.waiting())
    }

    /// How many threads are in C, or wait for a callback.
    pub fn running(&self) -> usize {
        self.0.0.with_jobs(|jobs| jobs.running())
    }

    pub(crate) fn id(&self) -> LaneId {
        LaneId(Arc::as_ptr(&self.0.0) as usize)
    }

    /// Puts a job in line, whether there is a place or not.
    pub(crate) fn join(&self, job: Arc<dyn Job>) -> Result<Seat, NotAdmitted> {
        let number = self.0.0.join(job)?;
        Ok(Seat(self.0.0.clone(), number))
    }

    /// Puts a job in line if there is a place.
    pub(crate) fn try_join(&self, job: Arc<dyn Job>) -> Result<Seat, NotAdmitted> {
        let number = self.0.0.try_join(job)?;
        Ok(Seat(self.0.0.clone(), number))
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("name", &self.name())
            .field("waiting", &self.waiting())
            .field("running", &self.running())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// Leaves the line on drop.
#[must_use]
pub(crate) struct Seat(Arc<Shared>, u64);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

/// A call was not admitted to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAdmitted(WhyNot);

impl NotAdmitted {
    /// There is no place now.
    pub fn is_full(&self) -> bool {
        self.0 == WhyNot::Full
    }

    /// The lane is closed.
    pub fn is_closed(&self) -> bool {
        self.0 == WhyNot::Closed
    }
}

impl From<WhyNot> for NotAdmitted {
    fn from(why: WhyNot) -> Self {
        Self(why)
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            WhyNot::Full => "the lane has no place free",
            WhyNot::Closed => "the lane is closed",
        })
    }
}

impl std::error::Error for NotAdmitted {}

/// Ready when a lane has served everybody in line. Made by [`Lane::close`].
#[must_use = "the lane is closed, but not through with its calls yet"]
pub struct LaneClose(Arc<Shared>);

impl Future for LaneClose {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.have_left(cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl fmt::Debug for LaneClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneClose").finish_non_exhaustive()
    }
}
