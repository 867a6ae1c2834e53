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
//! # Rules
//!
//! 1. C runs exactly once, from the first poll that is not put off; a call that was never polled never runs.
//! 2. From `Returned` on, C is through. The result waits for a poll that has a slot.
//! 3. A call is put off at most once in a poll of its scope, and once by tokio's budget, so that it goes on under an executor
//!    that polls it again and again within the task's poll.
//! 4. `Suspended` has rules of its own: [`suspendable`](super::suspendable).

use super::options::{GroundKind, Mode, Options};
use super::suspendable::Suspendable;
use crate::context::{self, Context, Ground, Label};
use crate::panic::{Payload, abort, caught};
use crate::slot::{Frame, Marks, ThreadSlot, is_task_waker, with_thread};
use crate::stack::{self, Job, Stack, Switch};
use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
use std::task::{self, Poll};
use tokio::task::coop;

enum Stage {
    Unstarted,
    Suspended(Box<Suspendable>),
    /// With the panic to raise, if any.
    Returned(Option<Payload>),
    Finished,
}

pub(super) struct Core {
    options: Options,
    /// Dropped by `drop`, which has mostly nothing to do and then need not call anybody.
    stage: ManuallyDrop<Stage>,
    /// The scope's poll that has put this call off last (rule 3).
    put_off_by: u32,
    /// Whether this call has yielded to tokio's budget.
    yielded: bool,
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
enum Ran {
    /// It waits for a callback.
    Suspended,
    Returned,
    /// There is a panic to raise; `stage` has it.
    Panicked,
}

/// How C was left, and whether the slot of the frame was still there.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    ran: Ran,
    has_slot: bool,
}

impl Left {
    /// As nearly every call is.
    const RETURNED: Self = Self {
        ran: Ran::Returned,
        has_slot: true,
    };
}

impl Core {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            stage: ManuallyDrop::new(Stage::Unstarted),
            put_off_by: 0,
            yielded: false,
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The panic to raise, after [`Progress::Panicked`].
    #[cold]
    pub(super) fn take_panic(&mut self) -> Option<Payload> {
        match std::mem::replace(&mut *self.stage, Stage::Finished) {
            Stage::Returned(panic) => panic,
            _ => None,
        }
    }

    /// # Safety
    ///
    /// `job` is the same at every poll, and neither `self` nor what `job` refers to moves or goes between the first poll
    /// and the moment `self` is dropped.
    #[inline(never)]
    pub(super) unsafe fn poll(&mut self, job: Job, cx: &mut task::Context<'_>) -> Progress {
        // Branches and nothing else: each way sets up the frame, and saves the registers, that it needs itself.
        if !matches!(*self.stage, Stage::Unstarted) {
            return self.poll_again(cx);
        }
        with_thread(|thread| match thread {
            Some(thread) if thread.is_in_frame() => {
                // SAFETY: by this function's contract.
                unsafe { self.start_in_frame(thread, job, cx) }
            }
            Some(thread) if self.options.mode == Mode::Brief => {
                // SAFETY: by this function's contract.
                unsafe { self.start_brief(thread, job, cx) }
            }
            // SAFETY: by this function's contract.
            Some(thread) => unsafe { self.start_without_frame(thread, job, cx) },
            // SAFETY: by this function's contract.
            None => unsafe { self.start_without_thread(job, cx) },
        })
    }

    #[cold]
    fn poll_again(&mut self, cx: &mut task::Context<'_>) -> Progress {
        match &mut *self.stage {
            Stage::Suspended(call) => match with_thread(|thread| call.resume(thread, cx)) {
                Poll::Pending => Progress::Pending,
                Poll::Ready(panic) => {
                    let ran = self.keep(panic);
                    self.settle(ran, true, cx)
                }
            },
            Stage::Returned(Some(_)) => Progress::Panicked,
            Stage::Returned(None) => {
                *self.stage = Stage::Finished;
                Progress::Returned
            }
            Stage::Unstarted | Stage::Finished => panic!("`Call` polled after completion"),
        }
    }

    /// In a frame of a scope's or of a call's that called back.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    unsafe fn start_in_frame(
        &mut self,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        let in_scope = thread.frame() == Frame::Scope;
        if in_scope && !thread.take_call() && self.put_off_by != thread.scope_poll() {
            return self.yield_by_scope(thread, cx);
        }
        let _call = thread.enter_frame(Frame::Call);
        if self.options.mode == Mode::Long {
            thread.hand_off();
        }
        // SAFETY: by this function's contract.
        let left = unsafe { self.run(thread.marks(), job, cx) };
        if left == Left::RETURNED {
            return Progress::Returned;
        }
        self.settle(left.ran, left.has_slot || !in_scope, cx)
    }

    /// Without a frame, and without a wish for one.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    unsafe fn start_brief(
        &mut self,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        if !self.has_budget(cx) {
            return Progress::Pending;
        }
        // A scope that offers a frame has nothing to say to what runs below.
        let _alone = thread.enter_frame(Frame::None);
        let losses = thread.losses();
        // SAFETY: by this function's contract.
        let ran = unsafe { self.run(None, job, cx) }.ran;
        // A callback that waits cedes for itself.
        if ran == Ran::Returned && thread.losses() == losses {
            return Progress::Returned;
        }
        self.settle(ran, thread.losses() == losses, cx)
    }

    /// With a frame of its own, if there is a slot to cede and no scope to ask.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    unsafe fn start_without_frame(
        &mut self,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        if thread.frame() != Frame::None && self.put_off_by != thread.scope_poll() {
            thread.ask_for_frame();
            return self.put_off(thread, cx);
        }
        if !self.has_budget(cx) {
            return Progress::Pending;
        }
        // As for a brief call.
        let _alone = thread.enter_frame(Frame::None);
        let losses = thread.losses();
        let mut ran = Ran::Suspended;
        thread.cede(Frame::Call, self.options.mode == Mode::Long, &mut || {
            // SAFETY: by this function's contract.
            ran = unsafe { self.run(thread.marks(), job, cx) }.ran;
        });
        // What a frame knew of its slot when C returned is not the last word: the core may have come back.
        self.settle(ran, thread.losses() == losses, cx)
    }

    /// While the thread's destructors run: there is nothing to cede.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    unsafe fn start_without_thread(&mut self, job: Job, cx: &mut task::Context<'_>) -> Progress {
        // SAFETY: by this function's contract.
        let left = unsafe { self.run(None, job, cx) };
        self.settle(left.ran, true, cx)
    }

    /// Because its scope has made its calls for this poll, or has lost its slot.
    #[cold]
    fn yield_by_scope(&mut self, thread: &ThreadSlot, cx: &mut task::Context<'_>) -> Progress {
        if !is_task_waker(cx.waker()) {
            // An executor within the scope waits for this waker alone.
            return self.put_off(thread, cx);
        }
        self.put_off_by = thread.scope_poll();
        thread.yield_after_frame();
        Progress::Pending
    }

    /// By its scope (rule 3).
    #[cold]
    fn put_off(&mut self, thread: &ThreadSlot, cx: &mut task::Context<'_>) -> Progress {
        self.put_off_by = thread.scope_poll();
        cx.waker().wake_by_ref();
        Progress::Pending
    }

    /// Whether tokio's budget lets the task go on in this poll. If not, the task will be woken.
    #[inline]
    fn has_budget(&mut self, cx: &mut task::Context<'_>) -> bool {
        match coop::poll_proceed(cx) {
            Poll::Ready(budget) => {
                budget.made_progress();
                true
            }
            // tokio has kept the waker until its scheduler gets its turn. Under an executor within the task it never does; such
            // an executor has wakers of its own, polls again at once, and goes on.
            Poll::Pending => {
                if !self.yielded && !is_task_waker(cx.waker()) {
                    cx.waker().wake_by_ref();
                }
                std::mem::replace(&mut self.yielded, true)
            }
        }
    }

    /// Without its slot the task goes back to the run queue, result in hand.
    #[inline]
    fn settle(&mut self, ran: Ran, has_slot: bool, cx: &mut task::Context<'_>) -> Progress {
        match ran {
            Ran::Suspended => Progress::Pending,
            _ if !has_slot => {
                if ran == Ran::Returned {
                    *self.stage = Stage::Returned(None);
                }
                cx.waker().wake_by_ref();
                Progress::Pending
            }
            Ran::Returned => Progress::Returned,
            Ran::Panicked => Progress::Panicked,
        }
    }

    /// Runs C from its beginning. `marks` are those of the frame that is open, if there is one to mark.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    unsafe fn run(
        &mut self,
        marks: Option<Marks<'_>>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Left {
        if self.options.ground != GroundKind::CStack {
            // SAFETY: by this function's contract.
            return unsafe { self.run_otherwise(marks, job, cx) };
        }
        // What is overwritten is `Unstarted`, which has nothing to drop.
        self.stage = ManuallyDrop::new(Stage::Finished);
        let mut stack = acquire(&self.options);
        let ground = Ground::CStack(stack.suspender(), cx.waker().into());
        // SAFETY: the label is part of `self`, which is pinned.
        let context = ManuallyDrop::new(unsafe { Context::new(&self.options.label, ground) });
        // SAFETY: the context stays in this frame until C has returned; the rest is this function's contract.
        let back = unsafe { switch(&context, &mut stack, Some(job), marks) };
        if back.switch == Switch::Done && back.has_slot && context.is_untouched() {
            stack::release(stack);
            return Left::RETURNED;
        }
        self.wind_up(stack, ManuallyDrop::into_inner(context), back)
    }

    /// The end of a call that has lost its slot, or panicked, or whose callbacks were refused.
    #[cold]
    fn wind_up(&mut self, mut stack: Stack, context: Context, back: Back) -> Left {
        let own = match back.switch {
            Switch::Done => None,
            Switch::Panicked => stack.take_panic(),
            Switch::Asked => abort("a call that cannot be set aside was"),
        };
        stack::release(stack);
        Left {
            ran: self.keep(context.settle_panic(own)),
            has_slot: back.has_slot,
        }
    }

    /// Keeps a panic until it is to be raised.
    fn keep(&mut self, panic: Option<Payload>) -> Ran {
        if panic.is_none() {
            *self.stage = Stage::Finished;
            return Ran::Returned;
        }
        *self.stage = Stage::Returned(panic);
        Ran::Panicked
    }

    /// On the thread's own stack, or on one that may be set aside.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    unsafe fn run_otherwise(
        &mut self,
        marks: Option<Marks<'_>>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Left {
        *self.stage = Stage::Finished;
        if self.options.ground == GroundKind::ThreadStack {
            // SAFETY: by this function's contract.
            let (panic, has_slot) =
                unsafe { run_on_thread_stack(&self.options.label, marks, job, cx) };
            let ran = self.keep(panic);
            return Left { ran, has_slot };
        }
        let stack = acquire(&self.options);
        // SAFETY: by this function's contract.
        let mut call = unsafe { Suspendable::new(&self.options.label, stack, job) };
        let started = with_thread(|thread| call.start(thread, cx));
        let has_slot = call.has_slot();
        let ran = match started {
            Poll::Ready(panic) => self.keep(panic),
            Poll::Pending => {
                *self.stage = Stage::Suspended(call);
                Ran::Suspended
            }
        };
        Left { ran, has_slot }
    }
}

impl Drop for Core {
    #[inline]
    fn drop(&mut self) {
        #[cold]
        fn drop_stage(stage: &mut ManuallyDrop<Stage>) {
            // SAFETY: called once, by the drop of what the stage is part of, and nobody uses it afterwards.
            unsafe { ManuallyDrop::drop(stage) };
        }
        if !matches!(*self.stage, Stage::Unstarted | Stage::Finished) {
            drop_stage(&mut self.stage);
        }
    }
}

/// The panic to raise, and whether the slot is still there.
///
/// # Safety
///
/// By the contract of [`Job`] `job` may be run, once.
unsafe fn run_on_thread_stack(
    label: &Label,
    marks: Option<Marks<'_>>,
    job: Job,
    cx: &mut task::Context<'_>,
) -> (Option<Payload>, bool) {
    // SAFETY: the label outlives this frame.
    let context = unsafe { Context::new(label, Ground::ThreadStack(cx.waker().into())) };
    marks.inspect(|marks| marks.enter_c());
    let own = {
        // SAFETY: the context stays in this frame, and the guard drops below.
        let _entered = unsafe { context.enter() };
        // SAFETY: by this function's contract.
        caught(|| unsafe { (job.run)(job.argument) }).err()
    };
    let has_slot = marks.is_none_or(Marks::enter_rust);
    (context.settle_panic(own), has_slot)
}

/// How control came back from the C stack.
#[must_use]
#[derive(Clone, Copy)]
pub(super) struct Back {
    pub(super) switch: Switch,
    /// `false` if the frame's slot was lost meanwhile.
    pub(super) has_slot: bool,
}

/// Goes to the C stack, to start `job` or else to go on with the one that is suspended, and comes back.
///
/// # Safety
///
/// As [`Stack::start`] or [`Stack::resume`], and `context` stays where it is until the job is done.
#[inline(always)]
pub(super) unsafe fn switch(
    context: &Context,
    stack: &mut Stack,
    job: Option<Job>,
    marks: Option<Marks<'_>>,
) -> Back {
    marks.inspect(|marks| marks.enter_c());
    let switch = {
        // SAFETY: by this function's contract; the guard drops below.
        let _entered = unsafe { context.enter() };
        match job {
            // SAFETY: by this function's contract.
            Some(job) => unsafe { stack.start(job) },
            // SAFETY: by this function's contract.
            None => unsafe { stack.resume() },
        }
    };
    Back {
        switch,
        has_slot: marks.is_none_or(Marks::enter_rust),
    }
}

#[inline]
fn acquire(options: &Options) -> Stack {
    match stack::at_hand(options.stack_size) {
        Some(stack) => stack,
        None => fetch(options),
    }
}

#[cold]
fn fetch(options: &Options) -> Stack {
    stack::acquire(options.stack_size, context::describe).unwrap_or_else(|error| {
        panic!(
            "no C stack of {} bytes for call {}: {error}",
            options.stack_size, options.label
        )
    })
}
