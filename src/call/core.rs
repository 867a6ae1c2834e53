//! The part of a call that does not depend on its types: the way from the first poll to C's return.
//!
//! # Stages
//!
//! ```text
//!              poll                    C has returned, slot ours
//!   Unstarted ──────▶ (C runs) ───────────────────────────────────▶ Finished
//!                        │  ▲  │                                        ▲
//!       callback pending │  │  │ C has returned, slot lost              │ next poll
//!                        ▼  │  └──────────────────────▶ Returned ───────┘
//!                     Suspended
//! ```
//!
//! A call that is through in one poll, and has nothing to report, stays `Unstarted`, for the sake of speed: its job knows that
//! it was run, and panics if it is run again.
//!
//! # Rules
//!
//! 1. C runs exactly once, from the first poll that is not put off; a call that was never polled never runs.
//! 2. From `Returned` on, C is through. The result waits for a poll that has a slot.
//! 3. A call is put off at most once in a poll of its scope, and once by tokio's budget, so that it goes on under an executor
//!    that polls it again and again within the task's poll. So is one that is suspended, each time that it is to go on.
//! 4. `Suspended` has rules of its own: [`suspendable`](super::suspendable).

use super::limited::Limited;
use super::observed::Observed;
use super::suspendable::Suspendable;
use crate::here::Here;
use crate::label::{Label, Mode};
use crate::observe;
use crate::panic::Payload;
use crate::slot::{known_thread, with_thread};
use crate::stack::Job;
use std::marker::PhantomPinned;
use std::mem::{ManuallyDrop, replace};
use std::task::{self, Poll, Waker};
use std::time::Instant;

pub(super) enum Stage {
    Unstarted,
    Suspended(Suspendable),
    /// Any of these, of a call that is looked at.
    Observed(Box<Observed>),
    /// Any of these, of a call with a limit of its own.
    Limited(Box<Limited>),
    Returned(Returned),
    Finished,
}

/// What waits for a poll that has a slot.
pub(super) struct Returned {
    /// The panic to raise, if any.
    panic: Option<Payload>,
    /// Since when, if the slot was lost.
    without_slot: Option<Instant>,
}

pub(super) struct Core {
    pub(super) label: Label,
    /// Dropped by `drop`, which has mostly nothing to do and then need not call anybody.
    pub(super) stage: ManuallyDrop<Stage>,
    _pinned: PhantomPinned,
}

/// What a poll came to. Small enough for a register.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Pending,
    /// C has returned, and this thread has what it had before.
    Returned,
    /// As `Returned`; and there is a panic to raise ([`Core::take_panic`]).
    Panicked,
}

/// How C was left.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// It waits for a callback.
    Suspended,
    Returned,
    /// There is a panic to raise; `stage` has it.
    Panicked,
}

impl Core {
    pub(super) fn new(label: Label) -> Self {
        Self {
            label,
            stage: ManuallyDrop::new(Stage::Unstarted),
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn label(&mut self) -> &mut Label {
        &mut self.label
    }

    /// The panic to raise, after [`Progress::Panicked`].
    #[cold]
    pub(super) fn take_panic(&mut self) -> Option<Payload> {
        match replace(&mut *self.stage, Stage::Finished) {
            Stage::Returned(returned) => returned.panic,
            _ => None,
        }
    }

    /// # Safety
    ///
    /// `job` is the same at every poll, and neither `self` nor what `job` refers to moves or goes between the first poll
    /// and the moment `self` is dropped.
    #[inline(never)]
    pub(super) unsafe fn poll(
        &mut self,
        here: &Here,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        // Branches and nothing else: each way sets up the frame, and saves the registers, that it needs itself.
        if !matches!(*self.stage, Stage::Unstarted) {
            // SAFETY: by this function's contract.
            return unsafe { self.poll_again(here, job, cx) };
        }
        if observe::is_wanted() {
            // SAFETY: by this function's contract.
            return unsafe { self.poll_seen(here, job, cx) };
        }
        // SAFETY: by this function's contract.
        unsafe { self.go(here, job, cx) }
    }

    /// As [`poll`](Self::poll), of a call that nobody looks at, or that is looked at already.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    pub(super) unsafe fn poll_unseen(
        &mut self,
        here: &Here,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        match *self.stage {
            // SAFETY: by this function's contract.
            Stage::Unstarted => unsafe { self.go(here, job, cx) },
            // SAFETY: by this function's contract.
            _ => unsafe { self.poll_again(here, job, cx) },
        }
    }

    /// On to C, which starts or goes on.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    unsafe fn go(&mut self, here: &Here, job: Job, cx: &mut task::Context<'_>) -> Progress {
        match known_thread(here) {
            Some(thread) if thread.is_in_frame() => {
                // SAFETY: by this function's contract.
                unsafe { self.start_in_frame(here, thread, job, cx) }
            }
            Some(thread) if self.label.manner.mode == Mode::Brief => {
                // SAFETY: by this function's contract.
                unsafe { self.start_brief(here, thread, job, cx) }
            }
            // SAFETY: by this function's contract.
            Some(thread) => unsafe { self.start_without_frame(here, thread, job, cx) },
            // SAFETY: by this function's contract.
            None => unsafe { self.start_on_unknown_thread(here, job, cx) },
        }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    #[inline(never)]
    unsafe fn poll_again(&mut self, here: &Here, job: Job, cx: &mut task::Context<'_>) -> Progress {
        match &mut *self.stage {
            Stage::Observed(_) => {
                let Stage::Observed(observed) = replace(&mut *self.stage, Stage::Finished) else {
                    unreachable!("it was just seen");
                };
                // SAFETY: by this function's contract.
                unsafe { self.poll_observed(here, observed, cx) }
            }
            Stage::Limited(_) => {
                let Stage::Limited(limited) = replace(&mut *self.stage, Stage::Finished) else {
                    unreachable!("it was just seen");
                };
                // SAFETY: by this function's contract.
                unsafe { self.poll_limited(here, limited, job, cx) }
            }
            Stage::Suspended(call) => match with_thread(|_| call.poll_answer(cx)) {
                Poll::Pending => Progress::Pending,
                // SAFETY: by this function's contract.
                Poll::Ready(()) => unsafe { self.go(here, job, cx) },
            },
            Stage::Returned(returned) => {
                if let Some(since) = returned.without_slot.take() {
                    observe::SLOT_WAIT.record(since.elapsed());
                }
                if returned.panic.is_some() {
                    return Progress::Panicked;
                }
                *self.stage = Stage::Finished;
                Progress::Returned
            }
            Stage::Unstarted | Stage::Finished => panic!("`Call` polled after completion"),
        }
    }

    /// Keeps a panic until it is to be raised.
    pub(super) fn keep(&mut self, panic: Option<Payload>) -> Ran {
        if panic.is_none() {
            *self.stage = Stage::Finished;
            return Ran::Returned;
        }
        *self.stage = Stage::Returned(Returned {
            panic,
            without_slot: None,
        });
        Ran::Panicked
    }

    /// Without its slot the task goes back to the run queue, result in hand.
    #[inline]
    pub(super) fn settle(&mut self, ran: Ran, has_slot: bool, waker: &Waker) -> Progress {
        match ran {
            Ran::Suspended => Progress::Pending,
            _ if !has_slot => {
                self.wait_for_slot();
                waker.wake_by_ref();
                Progress::Pending
            }
            Ran::Returned => Progress::Returned,
            Ran::Panicked => Progress::Panicked,
        }
    }

    #[cold]
    fn wait_for_slot(&mut self) {
        let panic = self.take_panic();
        *self.stage = Stage::Returned(Returned {
            panic,
            without_slot: Some(Instant::now()),
        });
    }
}

impl Drop for Core {
    #[inline]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn drop_stage(stage: &mut ManuallyDrop<Stage>) {
            // SAFETY: called once, by the drop of what the stage is part of, and nobody uses it afterwards.
            unsafe { ManuallyDrop::drop(stage) };
        }
        if !matches!(*self.stage, Stage::Unstarted | Stage::Finished) {
            drop_stage(&mut self.stage);
        }
    }
}
