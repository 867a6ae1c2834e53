//! Offloaded calls: C on another thread, the future free to be dropped.
//!
//! ```text
//!   the task                       the call's life                      the C thread
//!   Offload::poll ── begin ──────▶ Due ── start ──────────────────────▶ f runs C
//!                                                                         │ callback(future)
//!       is woken ◀──────────────── Asked ◀── ask: future in this frame ── │
//!       polls the future (Held)                                           │ waits; runs errands
//!       it is ready ── answer ───▶ Answered ─────────────────────────────▶│
//!                                                                         ▼
//!       is woken ◀──────────────── Returned ◀── finish ────────────────  C has returned
//! ```
//!
//! # The parts
//!
//! | | |
//! |---|---|
//! | [`life`] | the state machine, pure; checked in every interleaving by `integration-tests/tests/offload_loom.rs` |
//! | [`flight`] | what the C thread does, and whoever cancels |
//! | [`awaited`] | what the task does |
//! | [`cancel`], [`signal`], [`alarm`] | interruptions, and their repetition |
//! | [`serving`] | calls from within a callback of another |
//! | [`shutdown`] | runtimes that end with their threads in C |
//! | [`roll`], [`drain`], [`course`] | what is in flight |
//! | [`pool`], [`crate::lane`] | where C is run |
//!
//! # What may happen, and what comes of it
//!
//! 1. *The future is dropped.* Before C has begun: `f` is dropped there and then. While C runs: C runs on, its callbacks are
//!    refused. While a callback is posted: the future that C waits for is dropped by the one who drops, and C told. Nobody else
//!    can have it: a future is not dropped while it is polled, and C's thread does not leave the frame.
//! 2. *It is cancelled by somebody else.* The same, but if the task is polling what C waits for, it is the task that drops it,
//!    after this poll.
//! 3. *It is forgotten.* Nothing happens until the runtime whose blocking thread it is shuts down. On a lane, C waits for
//!    its callback for good.
//! 4. *It is polled with another waker.* The latest one counts.
//! 5. *`f` panics*, or a callback: the first panic is raised from the `await` when C has returned. If nobody awaits it any more it
//!    goes no further.
//! 6. *The runtime shuts down.* What has not begun is discarded; what has goes on to its end, with callbacks refused.
//! 7. *A callback offloads again.* Its C thread, which waits, runs that too, so no number of threads is too small.

mod alarm;
mod awaited;
mod cancel;
mod cancellable;
mod carried;
mod course;
mod drain;
mod flight;
mod life;
mod pool;
mod roll;
mod serving;
mod shutdown;
mod signal;

pub use cancel::Cancel;
pub use cancellable::{Cancellable, Canceller, NotRun};
pub use drain::{Drain, InFlight, Undrained, drain};

use crate::errno::{self, CReturn, Errno};
use crate::label::{Label, Manner, Mode};
use crate::lane::{Lane, NotAdmitted};
use awaited::{Awaited, Plan};
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::replace;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Runs C on another thread: awaits `f`, a closure that calls blocking C functions.
///
/// The future does not run anything in `poll`: `select!`, `timeout`, `join!` and `abort` work around it at any time, on every
/// kind of runtime. For C that takes long, or that must not outlast a deadline; for short calls, and closures that
/// borrow, there is [`call`](crate::call).
///
/// ```
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let slept = cede::offload(|| unsafe { libc::usleep(1000) }).named("usleep");
/// assert_eq!(tokio::time::timeout(Duration::from_secs(30), slept).await, Ok(0));
/// # });
/// ```
///
/// # Thread and blocking
///
/// `f` runs on a blocking thread of the runtime that is entered when the future is polled first (see
/// [`spawn_blocking`](https://docs.rs/tokio/1/tokio/task/fn.spawn_blocking.html), also for how many there are
/// and how large their stacks, on which C runs); on the threads of a [`Lane`] with [`on_lane`](Offload::on_lane); outside of a
/// runtime, on a thread of its own. Nothing happens before the first poll, or [`try_start`](Offload::try_start). While C runs
/// there, paused test time stands still, as with `spawn_blocking`, also while it waits for a callback: so a callback that sleeps
/// then sleeps for ever.
///
/// The subscriber of `tracing` and the current span go with `f`; task-locals do not.
///
/// # Callbacks
///
/// Rust code under C runs futures with [`callback`](crate::callback()). They are polled by the task that awaits, in its context, as
/// part of this future's `poll`; the C thread waits meanwhile. So they make progress only while this future is polled.
/// [`callback_local`](crate::callback_local) is refused: the task is on another thread.
///
/// What a callback's future offloads in turn, to the same lane or, like this call, to none, is run by the thread that
/// waits for it: the blocking threads cannot run out, and a library that holds a lock of its own, or is bound to its thread, finds
/// the thread it knows. It is as in a recursion, though: C goes on from the callback when that call has returned, not before,
/// and several run one after the other. `tokio::spawn` gets out of this.
///
/// # Cancellation
///
/// C runs once, or not at all if the future is dropped before it has begun. Dropping the future never waits. What it does to C
/// that runs says [`on_cancel`](Offload::on_cancel); by default C runs on, to its end, and what it returns is dropped on its
/// thread. Callbacks are refused from then on, and one that is waited for is dropped. [`drain`] waits for what is left,
/// [`metrics`](crate::metrics) count it. To learn what C has returned after all, cancel with
/// [`cancellable`](Offload::cancellable).
///
/// A future that is forgotten ([`std::mem::forget`]) neither cancels nor answers: if C waits for a callback, it waits until
/// the runtime shuts down, and on a lane for good.
///
/// # Panics
///
/// A panic of `f`, or of a callback, is raised from the `await` when C has returned. The `await` panics if C can not be run: the
/// runtime was shut down, the lane is closed, no thread is to be had. ([`cancellable`](Offload::cancellable) has it as an error.)
///
/// # Shutdown
///
/// As with `spawn_blocking`: `Runtime::drop` waits until C has returned; what has not begun does not begin; `shutdown_timeout`
/// waits as long as it is told. Callbacks of calls on the runtime's threads are refused from then on, so C cannot wait for what does
/// not come.
///
/// # What is not promised
///
/// That C ends: see [`Cancel`]. And the order in which calls begin, if not on a lane.
#[track_caller]
pub fn offload<F, R>(f: F) -> Offload<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let label = Label::here(Manner::elsewhere(Mode::Offloaded));
    Offload(Stage::Planned(Plan::new(f, label)))
}

/// A future that runs C on another thread. Made by [`offload()`], which says what it does; the methods here change how.
///
/// They are for calls that have not begun: after [`try_start`](Self::try_start) they panic.
#[must_use = "C does not run unless the call is awaited or started"]
pub struct Offload<F, R>(Stage<F, R>);

enum Stage<F, R> {
    Planned(Plan<F, R>),
    Awaited(Awaited<R>),
    /// For the moment in which a plan becomes a call.
    Moving,
}

// Nothing is pinned in here: `f` moves before it runs.
impl<F, R> Unpin for Offload<F, R> {}

impl<F, R> Offload<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    #[track_caller]
    fn plan(&mut self) -> &mut Plan<F, R> {
        match &mut self.0 {
            Stage::Planned(plan) => plan,
            _ => panic!("the call has begun"),
        }
    }

    #[track_caller]
    fn into_plan(self) -> Plan<F, R> {
        match self.0 {
            Stage::Planned(plan) => plan,
            _ => panic!("the call has begun"),
        }
    }

    /// Names the call in messages, spans and metrics. Use the C function's name.
    #[track_caller]
    pub fn named(mut self, name: &'static str) -> Self {
        self.plan().label.name = Some(name);
        self
    }

    /// Has C run on a lane, when it is the call's turn.
    ///
    /// The future waits in line for a place, if need be. See [`Lane`] for the order.
    #[track_caller]
    pub fn on_lane(mut self, lane: &Lane) -> Self {
        let plan = self.plan();
        plan.label.manner.mode = Mode::Lane;
        plan.lane = Some(lane.clone());
        self
    }

    /// What is done to C if the call is cancelled while C runs. Default: [`Cancel::Abandon`].
    #[track_caller]
    pub fn on_cancel(mut self, policy: Cancel) -> Self {
        self.plan().policy = policy;
        self
    }

    /// How long C may run, or wait for a callback, before that is worth a warning, instead of
    /// [`Config::slow_after`](crate::Config::slow_after). [`Duration::MAX`] for never.
    ///
    /// It is a warning, not a deadline: nothing is done to C.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let vacuum = cede::offload(|| unsafe { libc::usleep(1000) }).named("vacuum");
    /// assert_eq!(vacuum.slow_after(Duration::from_secs(60)).await, 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn slow_after(mut self, limit: Duration) -> Self {
        self.plan().slow_after = Some(limit);
        self
    }

    /// Delivers errno beside the result. See [`Call::with_errno`](crate::Call::with_errno).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (returned, errno) = cede::offload(|| unsafe { libc::close(-1) }).with_errno().await;
    /// assert_eq!((returned, errno.raw()), (-1, libc::EBADF));
    /// # });
    /// ```
    #[track_caller]
    pub fn with_errno(self) -> Offload<impl FnOnce() -> (R, Errno) + Send + 'static, (R, Errno)> {
        Offload(Stage::Planned(self.into_plan().map(errno::reported)))
    }

    /// Turns C's way of failing into a [`Result`]. See [`Call::or_errno`](crate::Call::or_errno).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let error = cede::offload(|| unsafe { libc::close(-1) }).or_errno().await.unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// The future's output is an error if C has failed.
    #[track_caller]
    pub fn or_errno(
        self,
    ) -> Offload<impl FnOnce() -> io::Result<R::Value> + Send + 'static, io::Result<R::Value>>
    where
        R: CReturn,
        R::Value: Send + 'static,
    {
        Offload(Stage::Planned(self.into_plan().map(errno::checked)))
    }

    /// Takes the call apart into a handle that cancels it, from anywhere, and a future that is ready when C has returned all the
    /// same, or is known not to run.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// let stop = Arc::new(AtomicBool::new(false));
    /// let hook = { let stop = stop.clone(); move || stop.store(true, Ordering::Relaxed) };
    /// let work = move || {
    ///     while !stop.load(Ordering::Relaxed) {}
    ///     "as far as it got"
    /// };
    /// let (canceller, mut call) = cede::offload(work)
    ///     .on_cancel(cede::Cancel::interrupt(hook))
    ///     .cancellable();
    /// call.try_start().unwrap();
    /// canceller.cancel();
    /// match call.await {
    ///     Ok(returned) => assert_eq!(returned, "as far as it got"),
    ///     Err(not_run) => assert!(not_run.is_cancelled()),
    /// }
    /// # });
    /// ```
    #[track_caller]
    pub fn cancellable(self) -> (Canceller, Cancellable<R>) {
        cancellable::new(self.into_plan())
    }

    /// Begins the call now, without waiting for a poll, unless that would take waiting for a place in its lane.
    ///
    /// A call on no lane has always got one. A call that has begun is left as it is.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let lane = cede::Lane::new("thumbnails").unwrap();
    /// let mut call = cede::offload(|| 42).on_lane(&lane);
    /// match call.try_start() {
    ///     Ok(()) => assert_eq!(call.await, 42),
    ///     Err(refused) => println!("too busy: {refused}"),
    /// }
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// If the lane is full or closed. The call is as it was: it may be awaited, or tried again.
    pub fn try_start(&mut self) -> Result<(), NotAdmitted> {
        self.awaited().begin(true).map(drop)
    }
}

impl<F, R> Offload<F, R> {
    /// The call, made ready by now.
    fn awaited(&mut self) -> &mut Awaited<R> {
        if let Stage::Planned(_) = self.0 {
            if let Stage::Planned(plan) = replace(&mut self.0, Stage::Moving) {
                self.0 = Stage::Awaited(plan.ready());
            }
        }
        match &mut self.0 {
            Stage::Awaited(awaited) => awaited,
            _ => unreachable!("a plan has become a call"),
        }
    }
}

impl<F, R> Future for Offload<F, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let awaited = self.awaited();
        let label = awaited.label();
        awaited.poll(cx).map(|outcome| match (outcome, label) {
            (Ok(Ok(returned)), _) => returned,
            (Ok(Err(payload)), _) => resume_unwind(payload),
            (Err(failure), Some(call)) => panic!("{call} was not run: {failure}"),
            (Err(failure), None) => unreachable!("polled when it was over: {failure}"),
        })
    }
}

impl<F, R> fmt::Debug for Offload<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offload").finish_non_exhaustive()
    }
}
