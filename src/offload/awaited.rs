//! The task's side of an offloaded call: from the closure to the outcome, or the drop.

use super::cancel::{Cancel, Grip};
use super::flight::Flight;
use super::life::NotRun;
use super::pool;
use super::serving::{self, Home};
use crate::label::Label;
use crate::lane::{Job, Lane, NotAdmitted, Seat};
use crate::panic::Payload;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How many callbacks are answered in one poll before other tasks get their turn. Guessed; each has cost two switches of threads.
const CALLBACKS_A_POLL: usize = 32;

/// What was asked for, until the call is ready to be begun.
pub(super) struct Plan<F, R> {
    pub(super) f: F,
    pub(super) label: Label,
    pub(super) lane: Option<Lane>,
    pub(super) policy: Cancel,
    pub(super) slow_after: Option<Duration>,
    /// [`into_awaited`](Self::into_awaited): what is bound is known when the plan is made, so that the future's own
    /// implementation needs no bounds. (With a boxed closure they would be more than the compiler can prove in an `async` block.)
    ready: fn(Self) -> Awaited<R>,
}

impl<F, R> Plan<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    pub(super) fn new(f: F, label: Label) -> Self {
        Self {
            f,
            label,
            lane: None,
            policy: Cancel::Abandon,
            slow_after: None,
            ready: Self::into_awaited,
        }
    }

    pub(super) fn map<G, S>(self, wrap: impl FnOnce(F) -> G) -> Plan<G, S>
    where
        G: FnOnce() -> S + Send + 'static,
        S: Send + 'static,
    {
        Plan {
            lane: self.lane,
            policy: self.policy,
            slow_after: self.slow_after,
            ..Plan::new(wrap(self.f), self.label)
        }
    }

    /// The call, and the lane that it is to go to.
    pub(super) fn into_flight(self) -> (Arc<Flight<F, R>>, Option<Lane>) {
        let home = match &self.lane {
            Some(lane) => Home::Lane(lane.id()),
            None => Home::Pool,
        };
        let grip = Grip::from(self.policy);
        let flight = Flight::new(self.f, self.label, self.slow_after, home, grip);
        (flight, self.lane)
    }

    fn into_awaited(self) -> Awaited<R> {
        let (flight, lane) = self.into_flight();
        Awaited::Ready(flight, lane)
    }
}

impl<F, R> Plan<F, R> {
    /// The call, ready to be begun.
    pub(super) fn ready(self) -> Awaited<R> {
        (self.ready)(self)
    }
}

/// A call in flight, as its task sees it: without the type of its closure.
pub(super) trait Flown<R>: Send + Sync {
    fn label(&self) -> &Label;
    fn home(&self) -> Home;
    fn job(&self) -> Arc<dyn Job>;
    /// The call is counted from here on. `false` if it was cancelled before.
    #[must_use]
    fn submit(&self, lane: Option<&str>) -> bool;
    /// It could not be put anywhere.
    fn unsubmit(&self);
    /// Does what there is to do for the task.
    fn look(&self, cx: &mut Context<'_>) -> Look<R>;
    /// The task has gone.
    fn abandon(&self);
}

/// What a look at a call has shown.
#[must_use]
pub(super) enum Look<R> {
    /// Nothing to do. The waker is kept.
    Wait,
    /// C goes on after a callback, and may have the next one already.
    Again,
    Ready(Outcome<R>),
}

/// Why there is no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    NotRun(NotRun),
    NotAdmitted(NotAdmitted),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRun(NotRun::Cancelled) => f.write_str("it was cancelled"),
            Self::NotRun(NotRun::Discarded) => {
                f.write_str("the runtime shuts down, or there is no thread to be had")
            }
            Self::NotAdmitted(why) => why.fmt(f),
        }
    }
}

/// What a call has come to.
pub(super) type Outcome<R> = Result<Result<R, Payload>, Failure>;

/// The way of a call, as its future sees it.
pub(super) enum Awaited<R> {
    Ready(Arc<dyn Flown<R>>, Option<Lane>),
    Begun(Begun<R>),
    Over,
}

impl<R> Awaited<R> {
    /// Of the call, until it is over.
    pub(super) fn label(&self) -> Option<Label> {
        let (Self::Ready(call, _) | Self::Begun(Begun { call, .. })) = self else {
            return None;
        };
        Some(*call.label())
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<R>> {
        let polled = match self.begin(false) {
            Ok(begun) => begun.poll(cx),
            Err(why) => Poll::Ready(Err(Failure::NotAdmitted(why))),
        };
        if polled.is_ready() {
            *self = Self::Over;
        }
        polled
    }

    /// Begins the call if it has not begun. With `now` only if there is a place for it.
    pub(super) fn begin(&mut self, now: bool) -> Result<&mut Begun<R>, NotAdmitted> {
        if let Self::Ready(call, lane) = self {
            let seat = begin(&**call, lane.as_ref(), now)?;
            *self = Self::Begun(Begun {
                call: call.clone(),
                seat,
            });
        }
        match self {
            Self::Begun(begun) => Ok(begun),
            _ => panic!("polled or started after completion"),
        }
    }
}

/// Puts a call where it will be run; its place in a lane's line, if it has one. After an error it is as it was.
fn begin<R>(
    call: &dyn Flown<R>,
    lane: Option<&Lane>,
    now: bool,
) -> Result<Option<Seat>, NotAdmitted> {
    if !call.submit(lane.map(Lane::name)) {
        // The poll will tell.
        return Ok(None);
    }
    let Err(job) = serving::offer(call.home(), call.job()) else {
        return Ok(None);
    };
    let Some(lane) = lane else {
        pool::run(job);
        return Ok(None);
    };
    let joined = if now {
        lane.try_join(job)
    } else {
        lane.join(job)
    };
    joined.map(Some).inspect_err(|_| call.unsubmit())
}

/// A call that is begun: C will run, unless it is cancelled before.
pub(super) struct Begun<R> {
    call: Arc<dyn Flown<R>>,
    /// Dropped with this: who is no more awaited leaves the line.
    #[expect(dead_code, reason = "it is there to be dropped")]
    seat: Option<Seat>,
}

impl<R> Begun<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<R>> {
        for _ in 0..CALLBACKS_A_POLL {
            match self.call.look(cx) {
                Look::Wait => return Poll::Pending,
                Look::Again => {}
                Look::Ready(outcome) => return Poll::Ready(outcome),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R> Drop for Begun<R> {
    fn drop(&mut self) {
        self.call.abandon();
    }
}
