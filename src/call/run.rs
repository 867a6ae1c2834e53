//! Runs C, from its beginning, on whatever it is to run on.

use super::core::{Core, Ran, Stage};
use super::home::Home;
use super::suspendable::Suspendable;
use crate::context::{self, Context, Ground};
use crate::here::Here;
use crate::label::{GroundKind, Label, PutOff};
use crate::observe;
use crate::slot::{InPlace, Marks, with_tally, with_thread};
use crate::stack::{self, Job, Lent, Outcome, Stack};
use crate::watchdog;
use std::mem::ManuallyDrop;
use std::task::{self, Poll};
use std::time::Instant;

/// How C was left, and whether the slot of the frame was still there.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) ran: Ran,
    pub(super) has_slot: bool,
}

/// How C came back.
#[must_use]
pub(super) struct Back {
    outcome: Outcome,
    /// `false` if the frame's slot was lost meanwhile.
    has_slot: bool,
}

impl Back {
    /// Whether there is nothing to settle, as after nearly every call.
    #[inline(always)]
    pub(super) fn is_well(&self, context: &Context) -> bool {
        self.has_slot && self.outcome.has_returned() && context.is_untouched()
    }
}

/// Calls C by way of `run`, as the call that code under it finds.
///
/// # Safety
///
/// `context` stays where it is until this has returned. `run` does not unwind.
#[inline(always)]
unsafe fn cross(
    here: &Here,
    context: &Context,
    marks: Option<Marks<'_>>,
    run: impl FnOnce() -> Outcome,
) -> Back {
    marks.inspect(|marks| marks.enter_c());
    let outcome = {
        // SAFETY: by this function's contract; the guard drops below.
        let _entered = unsafe { context.enter(here) };
        run()
    };
    Back {
        outcome,
        has_slot: marks.is_none_or(Marks::enter_rust),
    }
}

/// The call is entered: the watchdog is to know, if no mark tells of it.
pub(super) fn entered(marks: Option<Marks<'_>>) {
    if marks.is_none() {
        watchdog::rouse();
    }
}

impl Core {
    /// A stack at hand, if this call wants what nearly all want.
    ///
    /// # Safety
    ///
    /// As [`stack::lend`].
    #[inline(always)]
    pub(super) unsafe fn lend_stack<'a>(&self, here: &'a Here) -> Option<Lent<'a>> {
        if self.label.manner.ground != GroundKind::CStack {
            return None;
        }
        // SAFETY: by this function's contract.
        unsafe { stack::lend(here, self.label.manner.stack_size) }
    }

    /// The context of a call that runs on `stack`, which is running from here on.
    ///
    /// # Safety
    ///
    /// `self` is pinned, and the waker stays where it is until C has returned.
    #[inline(always)]
    pub(super) unsafe fn begin_on(
        &self,
        stack: &Stack,
        cx: &task::Context<'_>,
    ) -> ManuallyDrop<Context> {
        let ground = Ground::CStack(stack.below());
        let waker = Some(cx.waker());
        // SAFETY: the label is part of `self`, which is pinned; the rest is this function's contract.
        ManuallyDrop::new(unsafe { Context::new(&self.label, ground, waker) })
    }

    /// The end of a call that is well: says so, if the call was said to be slow.
    #[inline(always)]
    pub(super) fn has_ended_well(&self) {
        if watchdog::any_case() {
            self.say_ended();
        }
    }

    #[cold]
    #[inline(never)]
    fn say_ended(&self) {
        watchdog::ended(self.label.address());
    }

    /// The end of a call that is not well: it has lost its slot or panicked, or callbacks of it were refused.
    #[cold]
    #[inline(never)]
    pub(super) fn wind_up(
        &mut self,
        context: &Context,
        back: Back,
        began: Option<Instant>,
    ) -> Left {
        watchdog::ended(self.label.address());
        if !back.has_slot {
            self.time(began);
        }
        Left {
            ran: self.keep(context.settle_panic(back.outcome)),
            has_slot: back.has_slot,
        }
    }

    /// Counts a call that is about to be made, and not on the fast path. When it begins, if its slot is lost already.
    fn count(&self, marks: Option<Marks<'_>>) -> Option<Instant> {
        let mode = self.label.manner.call_mode();
        with_tally(|tally| tally.call(mode, marks.is_some()));
        marks.is_some_and(Marks::is_lost).then(Instant::now)
    }

    /// C has returned without its slot. When it began is known, or else since when the slot is lost.
    fn time(&self, began: Option<Instant>) {
        self.time_since(began.or_else(|| with_thread(|thread| thread?.lost_since())));
    }

    /// The slot is gone after a call that has ceded nothing: a frame that was opened under a callback of its has lost it.
    #[cold]
    pub(super) fn time_loss_under_callback(&self) {
        let times_itself = matches!(
            self.label.manner.ground,
            GroundKind::Suspendable | GroundKind::Migratable
        );
        if !times_itself {
            self.time_since(with_thread(|thread| thread?.last_loss()));
        }
    }

    fn time_since(&self, began: Option<Instant>) {
        if let Some(began) = began {
            observe::call_duration(self.label.manner.call_mode()).record(began.elapsed());
        }
    }

    /// Runs C. `marks` are those of the frame that is open, if there is one to mark.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    pub(super) unsafe fn run(
        &mut self,
        here: &Here,
        marks: Option<Marks<'_>>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Left {
        match self.label.manner.ground {
            // SAFETY: by this function's contract.
            GroundKind::CStack => unsafe { self.run_on_c_stack(here, marks, job, cx) },
            // SAFETY: by this function's contract.
            GroundKind::Suspendable | GroundKind::Migratable => unsafe {
                self.run_suspendable(job, cx)
            },
            // SAFETY: by this function's contract.
            GroundKind::ThreadStack => unsafe { self.run_on_thread_stack(here, marks, job, cx) },
        }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn run_on_c_stack(
        &mut self,
        here: &Here,
        marks: Option<Marks<'_>>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Left {
        // SAFETY: what is lent comes back at the end of this function, before that of any call around it.
        let lent = unsafe { self.lend_stack(here) };
        let acquired = match lent {
            Some(_) => None,
            None => Some(acquire(&self.label)),
        };
        let stack = lent.as_deref().or(acquired.as_ref());
        let stack = stack.expect("one of the two is there");
        let in_flight = acquired.as_ref().map(|_| InPlace::enter());
        let began = self.count(marks);
        // SAFETY: by this function's contract.
        let context = ManuallyDrop::into_inner(unsafe { self.begin_on(stack, cx) });
        let run = || {
            entered(marks);
            // SAFETY: the stack is idle, and the job may be run by this function's contract.
            unsafe { stack.run(job) }
        };
        // SAFETY: the context stays in this frame.
        let back = unsafe { cross(here, &context, marks, run) };
        drop((lent, in_flight));
        acquired.into_iter().for_each(stack::release);
        self.wind_up(&context, back, began)
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn run_suspendable(&mut self, job: Job, cx: &mut task::Context<'_>) -> Left {
        let mut call = match std::mem::replace(&mut *self.stage, Stage::Unstarted) {
            Stage::Suspended(call) => call,
            // SAFETY: by this function's contract.
            _ => unsafe { self.new_suspendable(job) },
        };
        *self.stage = Stage::Finished;
        let in_flight = InPlace::enter();
        let went = with_thread(|thread| call.go_on(thread, cx));
        drop(in_flight);
        let has_slot = call.has_slot();
        let ran = match went {
            Poll::Ready(panic) => {
                watchdog::ended(self.label.address());
                self.keep(panic)
            }
            Poll::Pending => {
                self.label.manner.put_off = PutOff::default();
                *self.stage = Stage::Suspended(call);
                Ran::Suspended
            }
        };
        Left { ran, has_slot }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn new_suspendable(&self, job: Job) -> Suspendable {
        let home = match self.label.manner.ground {
            GroundKind::Migratable => Home::Everywhere,
            _ => Home::here(),
        };
        let stack = acquire(&self.label);
        // What it does with its marks it says itself.
        self.count(None);
        // SAFETY: by this function's contract; that of `Call::migratable` covers what moves.
        unsafe { Suspendable::new(&self.label, stack, job, home) }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn run_on_thread_stack(
        &mut self,
        here: &Here,
        marks: Option<Marks<'_>>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Left {
        *self.stage = Stage::Finished;
        let _in_flight = InPlace::enter();
        let began = self.count(marks);
        let waker = Some(cx.waker());
        // SAFETY: the label is part of `self`, which is pinned, and the waker outlives this poll.
        let context = unsafe { Context::new(&self.label, Ground::ThreadStack, waker) };
        let run = || {
            entered(marks);
            // SAFETY: the job may be run by this function's contract.
            unsafe { (job.run)(job.argument) }
        };
        // SAFETY: the context stays in this frame.
        let back = unsafe { cross(here, &context, marks, run) };
        self.wind_up(&context, back, began)
    }
}

/// The way of nearly every call: onto a stack that is at hand, and back.
///
/// # Safety
///
/// As [`Core::poll`]; the stack is idle, and the context stays where it is until this has returned.
#[inline(always)]
pub(super) unsafe fn cross_on(
    here: &Here,
    context: &Context,
    stack: Lent<'_>,
    marks: Option<Marks<'_>>,
    job: Job,
) -> Back {
    let run = || {
        // SAFETY: by this function's contract.
        let outcome = unsafe { stack.run(job) };
        // Here, so that nothing need be kept in registers for later.
        drop(stack);
        outcome
    };
    // SAFETY: by this function's contract.
    unsafe { cross(here, context, marks, run) }
}

#[cold]
fn acquire(label: &Label) -> Stack {
    stack::acquire(label.manner.stack_size, context::describe).unwrap_or_else(|error| {
        panic!(
            "no C stack of {} bytes for call {}: {error}",
            label.manner.stack_size, label
        )
    })
}
