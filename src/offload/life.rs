//! The life of an offloaded call: one state machine, between the task that awaits, the thread that is in C, and whoever
//! cancels.
//!
//! ```text
//!            start              finish, awaited                  poll
//!   Due(f) ─────────▶ InC ─────────────────────▶ Returned(r) ───────────▶ Over
//!    │  │             │ ▲ │                                               ▲ ▲
//!    │  │         ask │ │ │ finish, abandoned: r goes back to the C thread │ │
//!    │  │             ▼ │ └────────────────────────────────────────────────┘ │
//!    │  │       Asked(a) │ next_step                                         │
//!    │  │       │ ▲   │  │                                                   │
//!    │  │  poll │ │   │ cancel, abandon: a goes to the one who cancels       │
//!    │  │       ▼ │keep_asking                                               │
//!    │  │       Held ─── answer ──▶ Answered(…)                              │
//!    │  │                                                                    │
//!    │  └─ cancel, discard: f goes back ─▶ NotRun(why) ── poll ──────────────┤
//!    └──── abandon: f goes back ─────────────────────────────────────────────┘
//! ```
//!
//! # Who does what
//!
//! | who | transitions |
//! |---|---|
//! | the task: the one who has the future | `submit`, `unsubmit`, `poll`, `keep_asking`, `answer`, `serve`, `abandon` |
//! | the C thread: the one who runs the job | `start`, `ask`, `next_step`, `finish`, `discard` |
//! | anybody | `cancel`, then `answer` if it was given what C asked for; `if_in_c` |
//!
//! # Rules
//!
//! 1. Every transition is made under one lock, and what a transition takes out belongs to the one who made it. Nothing that is
//!    a user's (`f`, an outcome, a waker, a callback's future) is run, dropped or woken under the lock.
//! 2. C runs at most once: only `start` takes `f` in order to run it.
//! 3. What C asks for lies in a frame of C's thread, which waits. It exists as `Asked`, or in the hands of the one who
//!    turned it into `Held`; that one gives it up with `answer`, or back with `keep_asking`. The C thread goes on only after
//!    `Answered`, hence when nobody has it any more. Exactly one has it at a time: neither a drop nor a cancellation can take it
//!    from a task that polls it, which is told by `keep_asking`.
//! 4. From `cancel` or `abandon` on, every callback is refused before it is posted, and one that is posted is taken away and
//!    answered at once, by the one who cancels.
//! 5. The ticket counts the call from `submit` on. If the call is awaited, it is settled in the step that makes the outcome
//!    visible; if it is abandoned, only when the C thread has dropped the outcome.
//! 6. The task leaves its waker with every `poll`. A step of the C thread that it waits for takes the waker; so does a
//!    cancellation before C has begun.
//! 7. Errands are given to a C thread that waits, and only by the one who has what it asks for. It is through with all of
//!    them before it goes on, so none is lost.

use crate::sync::{Condvar, Mutex, lock, wait};
use std::collections::VecDeque;
use std::mem::replace;

/// What the parts of a life are.
pub(crate) trait Kinds {
    /// `f`.
    type Work;
    /// The future that C waits for.
    type Ask;
    /// What C is told.
    type Answer;
    /// What `f` came to.
    type Outcome;
    /// Something else that a waiting C thread is to run.
    type Errand;
    type Waker;
    type Ticket: Ticket;
}

/// Counts a call.
pub(crate) trait Ticket {
    /// What is to be woken, when the lock is released.
    type Wakes;
    /// The call's future is gone, and C is not through.
    fn abandon(&mut self);
    /// C is through.
    fn settle(self) -> Self::Wakes;
}

/// Why C was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRun {
    Cancelled,
    /// The pool or lane that was to run it is gone.
    Discarded,
}

enum Stage<K: Kinds> {
    Due(K::Work),
    InC,
    Asked(K::Ask),
    Held,
    Answered(K::Answer),
    Returned(K::Outcome),
    NotRun(NotRun),
    Over,
}

struct State<K: Kinds> {
    stage: Stage<K>,
    /// Callbacks are refused.
    cancelled: bool,
    /// The future is gone.
    abandoned: bool,
    waker: Option<K::Waker>,
    ticket: Option<K::Ticket>,
    errands: VecDeque<K::Errand>,
}

/// The life of one call.
pub(crate) struct Life<K: Kinds> {
    state: Mutex<State<K>>,
    /// The C thread, which waits, has something to do.
    to_do: Condvar,
}

/// What a poll is to do.
#[must_use]
pub(crate) enum Next<K: Kinds> {
    /// Return `Pending`. The waker is kept.
    Wait,
    /// Poll this, then `keep_asking` or `answer`.
    Poll(K::Ask),
    Deliver(K::Outcome),
    NotRun(NotRun),
}

/// What is left to the one who cancels or drops.
#[must_use]
pub(crate) enum Rest<K: Kinds> {
    /// Nothing: C is through, or has been told before.
    Nothing,
    /// C has not begun, and will not.
    Work(K::Work, Option<K::Ticket>, Option<K::Waker>),
    /// C waits for this, which is to be dropped and answered; then as `InC`.
    Ask(K::Ask),
    /// C runs on: it may be interrupted.
    InC,
    /// C has returned, and nobody wants to know what.
    Outcome(K::Outcome),
}

/// What is left of a call whose future is dropped.
#[must_use]
pub(crate) struct Abandoned<K: Kinds> {
    pub(crate) rest: Rest<K>,
    /// Nobody needs it any more.
    pub(crate) waker: Option<K::Waker>,
    /// Whether C runs on, or waits to. It may have been told to stop before.
    pub(crate) goes_on: bool,
}

/// What a C thread does that has asked.
#[must_use]
pub(crate) enum Step<K: Kinds> {
    Run(K::Errand),
    GoOn(K::Answer),
}

/// What becomes of the outcome.
#[must_use]
pub(crate) enum Finished<K: Kinds> {
    Delivered(Option<K::Waker>, Option<<K::Ticket as Ticket>::Wakes>),
    /// To be dropped, then the ticket settled.
    Unwanted(K::Outcome, Option<K::Ticket>),
}

impl<K: Kinds> Life<K> {
    pub(crate) fn new(work: K::Work) -> Self {
        Self {
            state: Mutex::new(State {
                stage: Stage::Due(work),
                cancelled: false,
                abandoned: false,
                waker: None,
                ticket: None,
                errands: VecDeque::new(),
            }),
            to_do: Condvar::new(),
        }
    }

    /// Task: the call is counted from here on, and is about to be put where a C thread finds it. Gives the ticket back if it
    /// was cancelled before.
    #[must_use]
    pub(crate) fn submit(&self, ticket: K::Ticket) -> Option<K::Ticket> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, Stage::Due(_)) {
            return Some(ticket);
        }
        state.ticket = Some(ticket);
        None
    }

    /// Task: there was no place to put the call. It is as it was before `submit`.
    #[must_use]
    pub(crate) fn unsubmit(&self) -> Option<K::Ticket> {
        lock(&self.state).ticket.take()
    }

    /// Task: what there is to do. The old waker is dropped by the caller.
    pub(crate) fn poll(&self, waker: K::Waker) -> (Next<K>, Option<K::Waker>) {
        let mut state = lock(&self.state);
        let before = state.waker.replace(waker);
        let next = match replace(&mut state.stage, Stage::Over) {
            Stage::Asked(ask) => {
                state.stage = Stage::Held;
                Next::Poll(ask)
            }
            Stage::Returned(outcome) => Next::Deliver(outcome),
            Stage::NotRun(why) => Next::NotRun(why),
            Stage::Over => unreachable!("polled only until it is ready"),
            other => {
                state.stage = other;
                Next::Wait
            }
        };
        (next, before)
    }

    /// Task: what C asks for is not ready. Gives it back if the call was cancelled meanwhile (rule 3): it is to be dropped and
    /// answered.
    #[must_use]
    pub(crate) fn keep_asking(&self, ask: K::Ask) -> Option<K::Ask> {
        let mut state = lock(&self.state);
        if state.cancelled {
            return Some(ask);
        }
        state.stage = Stage::Asked(ask);
        None
    }

    /// The one who had what C asked for, and has it no more: lets C go on.
    pub(crate) fn answer(&self, answer: K::Answer) {
        let mut state = lock(&self.state);
        debug_assert!(matches!(state.stage, Stage::Held));
        state.stage = Stage::Answered(answer);
        drop(state);
        self.to_do.notify_one();
    }

    /// Task: gives the waiting C thread an errand (rule 7). Gives it back if the caller does not have what C asks for.
    pub(crate) fn serve(&self, errand: K::Errand) -> Result<(), K::Errand> {
        let mut state = lock(&self.state);
        if !matches!(state.stage, Stage::Held) {
            return Err(errand);
        }
        state.errands.push_back(errand);
        drop(state);
        self.to_do.notify_one();
        Ok(())
    }

    /// Task: the future is dropped.
    pub(crate) fn abandon(&self) -> Abandoned<K> {
        let mut state = lock(&self.state);
        state.abandoned = true;
        let waker = state.waker.take();
        if let Stage::NotRun(_) = state.stage {
            state.stage = Stage::Over;
        }
        let told = replace(&mut state.cancelled, true);
        let goes_on = match state.stage {
            Stage::InC | Stage::Asked(_) | Stage::Held | Stage::Answered(_) => true,
            Stage::Due(_) | Stage::Returned(_) | Stage::NotRun(_) | Stage::Over => false,
        };
        if goes_on {
            state.ticket.as_mut().map(Ticket::abandon);
        }
        let rest = match replace(&mut state.stage, Stage::Over) {
            Stage::Returned(outcome) => Rest::Outcome(outcome),
            other => {
                state.stage = other;
                state.withdraw(Stage::Over, told)
            }
        };
        Abandoned {
            rest,
            waker,
            goes_on,
        }
    }

    /// Anybody: refuses C's callbacks, and has C not run if it has not begun.
    pub(crate) fn cancel(&self) -> Rest<K> {
        let mut state = lock(&self.state);
        let told = replace(&mut state.cancelled, true);
        state.withdraw(Stage::NotRun(NotRun::Cancelled), told)
    }

    /// C thread: is about to run `f`. `None` if it is not to be run.
    #[must_use]
    pub(crate) fn start(&self) -> Option<K::Work> {
        let mut state = lock(&self.state);
        match replace(&mut state.stage, Stage::InC) {
            Stage::Due(work) => Some(work),
            other => {
                state.stage = other;
                None
            }
        }
    }

    /// C thread: posts what C waits for; whom to wake, before it waits with [`next_step`](Self::next_step). An error if
    /// callbacks are refused.
    pub(crate) fn ask(&self, ask: K::Ask) -> Result<Option<K::Waker>, K::Ask> {
        let mut state = lock(&self.state);
        if state.cancelled {
            return Err(ask);
        }
        debug_assert!(matches!(state.stage, Stage::InC));
        state.stage = Stage::Asked(ask);
        Ok(state.waker.take())
    }

    /// C thread: waits for the answer, or for an errand meanwhile.
    pub(crate) fn next_step(&self) -> Step<K> {
        let mut state = lock(&self.state);
        loop {
            if let Some(errand) = state.errands.pop_front() {
                return Step::Run(errand);
            }
            match replace(&mut state.stage, Stage::InC) {
                Stage::Answered(answer) => return Step::GoOn(answer),
                other => state.stage = other,
            }
            state = wait(&self.to_do, state);
        }
    }

    /// C thread: C has returned.
    pub(crate) fn finish(&self, outcome: K::Outcome) -> Finished<K> {
        let mut state = lock(&self.state);
        debug_assert!(matches!(state.stage, Stage::InC));
        let ticket = state.ticket.take();
        if state.abandoned {
            state.stage = Stage::Over;
            return Finished::Unwanted(outcome, ticket);
        }
        state.stage = Stage::Returned(outcome);
        Finished::Delivered(state.waker.take(), ticket.map(Ticket::settle))
    }

    /// C thread, or who was to become one: C will not be run.
    pub(crate) fn discard(&self) -> Rest<K> {
        lock(&self.state).withdraw(Stage::NotRun(NotRun::Discarded), true)
    }

    /// Anybody: does `f` if C runs, and is not waiting for a callback. While `f` runs, C cannot be said to have returned.
    pub(crate) fn if_in_c(&self, f: impl FnOnce()) -> Where {
        let state = lock(&self.state);
        match state.stage {
            Stage::InC => {
                f();
                Where::InC
            }
            Stage::Asked(_) | Stage::Held | Stage::Answered(_) => Where::InCallback,
            _ => Where::Elsewhere,
        }
    }
}

/// Where the C thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    InC,
    InCallback,
    /// C has not begun, or has returned.
    Elsewhere,
}

impl<K: Kinds> State<K> {
    /// Rules 2 to 4: takes away what has not begun, and what C waits for.
    fn withdraw(&mut self, instead: Stage<K>, told: bool) -> Rest<K> {
        match replace(&mut self.stage, Stage::Over) {
            Stage::Due(work) => {
                self.stage = instead;
                Rest::Work(work, self.ticket.take(), self.waker.take())
            }
            Stage::Asked(ask) => {
                self.stage = Stage::Held;
                Rest::Ask(ask)
            }
            other => {
                let runs = matches!(other, Stage::InC | Stage::Held | Stage::Answered(_));
                self.stage = other;
                if runs && !told {
                    Rest::InC
                } else {
                    Rest::Nothing
                }
            }
        }
    }
}
