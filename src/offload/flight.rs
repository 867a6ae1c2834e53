//! A call in flight: what the task, the C thread and whoever cancels have in common, and what they do. For the C thread's part see
//! `c_thread`.
//!
//! # Rules
//!
//! 1. What is to be done when is the [`life`](super::life)'s to say. This file does it.
//! 2. On the C thread nothing unwinds into C's frames: wakers and destructors are run under `catch_unwind`.
//! 3. A posted future lies in a frame of the C thread, which does not leave it before the answer. To unwind from there is to abort.

mod c_thread;

use super::alarm::{self, Ring};
use super::awaited::{Failure, Flown, Look};
use super::cancel::Grip;
use super::carried::Carried;
use super::course::{Belongs, Course};
use super::life::{Abandoned, Kinds, Life, Next, Rest};
use super::roll::Ticket;
use super::serving::{Home, Served, Serving};
use super::shutdown::{Cancellable, Registered};
use crate::asked::{Polled, Posted};
use crate::error::Refused;
use crate::label::Label;
use crate::lane::Job;
use crate::observe::{self, Seen};
use crate::panic::{Payload, caught, discard, never_unwinds};
use crate::sync::{AtomicU32, Mutex, Ordering, lock};
use crate::watchdog::Parent;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{self, Waker};
use std::time::{Duration, Instant};

/// When an interruption is repeated first, and what the interval grows to. Guessed: short beside a limit that a user would set, and
/// long beside what an interruption costs.
const REPEAT_FIRST: Duration = Duration::from_millis(1);
const REPEAT_DOUBLED: u32 = 6;

/// What C is told.
pub(super) enum Answer {
    Done,
    Refused(Refused),
    Panicked(Payload),
}

/// What the parts of this life are.
pub(super) struct Parts<F, R>(PhantomData<(F, R)>);

impl<F, R> Kinds for Parts<F, R> {
    type Work = F;
    type Ask = Posted;
    type Answer = Answer;
    type Outcome = Result<R, Payload>;
    type Errand = Arc<dyn Job>;
    type Waker = Waker;
    type Ticket = Ticket;
}

pub(super) struct Flight<F, R> {
    life: Life<Parts<F, R>>,
    label: Label,
    course: Arc<Course>,
    home: Home,
    /// From the first poll on.
    carried: OnceLock<Carried>,
    grip: Grip,
    repeats: AtomicU32,
    /// When the call was put where a thread finds it.
    submitted: Mutex<Option<Instant>>,
    /// From the first callback on a blocking thread, until C has returned.
    registered: Mutex<Option<Registered>>,
    this: Weak<Self>,
}

impl<F, R> Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    pub(super) fn new(
        f: F,
        label: Label,
        slow_after: Option<Duration>,
        home: Home,
        grip: Grip,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            life: Life::new(f),
            label,
            course: Arc::new(Course::new(label, slow_after, this.clone())),
            home,
            carried: OnceLock::new(),
            grip,
            repeats: AtomicU32::new(0),
            submitted: Mutex::default(),
            registered: Mutex::default(),
            this: this.clone(),
        })
    }

    fn this(&self) -> Arc<Self> {
        self.this
            .upgrade()
            .expect("whoever does something with a call has it")
    }

    /// Who looks at the call, if anybody.
    fn seen(&self) -> Option<&Seen> {
        self.carried.get().and_then(Carried::seen)
    }

    /// Has something told of the call, if anybody listens.
    fn tell(&self, event: impl FnOnce()) {
        if let Some(carried) = self.carried.get() {
            carried.tell(event);
        }
    }

    /// The one who cancels, drops, or discards: does what its step has left to it.
    fn clear(&self, rest: Rest<Parts<F, R>>) {
        match rest {
            Rest::Nothing => {}
            Rest::Work(f, ticket, waker) => {
                // In this order, also if the destructor of what `f` has captured panics.
                let _wake = WakeOnDrop(waker);
                let _ticket = ticket;
                drop(f);
            }
            Rest::Ask(posted) => {
                self.refuse(posted);
                self.interrupt();
            }
            Rest::InC => self.interrupt(),
            Rest::Outcome(outcome) => drop(outcome),
        }
    }

    /// Drops what C waits for, and has C go on.
    fn refuse(&self, posted: Posted) {
        self.life.answer(match posted.discard() {
            None => Answer::Refused(Refused::Cancelled),
            Some(payload) => Answer::Panicked(payload),
        });
    }

    /// The task: polls what C waits for. Whether C goes on.
    fn poll_callback(&self, mut posted: Posted, cx: &mut task::Context<'_>) -> bool {
        if !posted.was_pending() {
            observe::counter::CALLBACKS_ELSEWHERE.add(1);
        }
        let polled = {
            let _serving = Serving::enter(self.this());
            // To unwind would leave C waiting for ever, and with a future that somebody else may use.
            never_unwinds("a callback was unwound", || posted.poll(cx))
        };
        match polled {
            Polled::Ready => self.life.answer(Answer::Done),
            Polled::Panicked(payload) => self.life.answer(Answer::Panicked(payload)),
            Polled::Pending => {
                if posted.note_pending() {
                    observe::counter::CALLBACKS_ELSEWHERE_WAITED.add(1);
                    observe::callback_pending(&self.label, "C's thread waits");
                }
                match self.life.keep_asking(posted) {
                    None => return false,
                    Some(posted) => self.refuse(posted),
                }
            }
        }
        true
    }

    /// Interrupts C, now and until it has returned.
    fn interrupt(&self) {
        if self.grip.is_some() && self.press() {
            let is_repeated = alarm::after(REPEAT_FIRST, self.this());
            if !is_repeated {
                observe::no_alarm(&self.label);
            }
        }
    }

    fn press(&self) -> bool {
        self.grip.press(|send| self.life.if_in_c(send))
    }
}

impl<F, R> Flown<R> for Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn label(&self) -> &Label {
        &self.label
    }

    fn home(&self) -> Home {
        self.home
    }

    fn job(&self) -> Arc<dyn Job> {
        self.this()
    }

    fn submit(&self, lane: Option<&str>) -> bool {
        // Once: a call that finds no place tries again, and has been in line since the first time.
        if self.carried.get().is_none() {
            if let Some(carried) = Carried::current(&self.label, lane) {
                let _ = self.carried.set(carried);
            }
        }
        *lock(&self.submitted) = Some(Instant::now());
        self.life.submit(Ticket::new(&self.course)).is_none()
    }

    fn unsubmit(&self) {
        let ticket = self.life.unsubmit();
        drop(ticket);
    }

    fn look(&self, cx: &mut task::Context<'_>) -> Look<R> {
        let (next, before) = self.life.poll(cx.waker().clone());
        // Not to unwind from here, with what C waits for in hand.
        caught(|| drop(before)).unwrap_or_else(discard);
        match next {
            Next::Wait => Look::Wait,
            Next::Poll(posted) => match self.poll_callback(posted, cx) {
                true => Look::Again,
                // Its future has the waker, too.
                false => Look::Wait,
            },
            Next::Deliver(outcome) => {
                self.seen().inspect(|seen| seen.end());
                Look::Ready(Ok(outcome))
            }
            Next::NotRun(why) => Look::Ready(Err(Failure::NotRun(why))),
        }
    }

    fn abandon(&self) {
        let Abandoned {
            rest,
            waker,
            goes_on,
        } = self.life.abandon();
        caught(|| drop(waker)).unwrap_or_else(discard);
        if goes_on {
            // Where the future was, and with whose subscriber, need not be where it is dropped.
            self.tell(|| observe::abandoned(&self.label));
        }
        self.clear(rest);
    }
}

impl<F, R> Belongs for Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn parent(&self) -> Option<Parent> {
        self.carried.get().map(Carried::parent)
    }
}

impl<F, R> Served for Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn home(&self) -> Home {
        self.home
    }

    fn serve(&self, errand: Arc<dyn Job>) -> Result<(), Arc<dyn Job>> {
        self.life.serve(errand)
    }
}

impl<F, R> Cancellable for Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn cancel(self: Arc<Self>) {
        self.clear(self.life.cancel());
    }
}

impl<F, R> Ring for Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn ring(self: Arc<Self>) -> Option<Duration> {
        self.press().then(|| {
            let repeats = self.repeats.fetch_add(1, Ordering::Relaxed) + 1;
            REPEAT_FIRST * (1 << repeats.min(REPEAT_DOUBLED))
        })
    }
}

/// Wakes when it is dropped. A waker that panics goes no further.
struct WakeOnDrop(Option<Waker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            caught(|| waker.wake()).unwrap_or_else(discard);
        }
    }
}
