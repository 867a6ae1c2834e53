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
    stage: Stage,
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

impl Core {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            stage: Stage::Unstarted,
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
        match std::mem::replace(&mut self.stage, Stage::Finished) {
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
        match self.stage {
            // SAFETY: by this function's contract.
            Stage::Unstarted => with_thread(|thread| unsafe { self.start(thread, job, cx) }),
            _ => self.poll_again(cx),
        }
    }

    #[cold]
    fn poll_again(&mut self, cx: &mut task::Context<'_>) -> Progress {
        match &mut self.stage {
            Stage::Suspended(call) => match with_thread(|thread| call.resume(thread, cx)) {
                Poll::Pending => Progress::Pending,
                Poll::Ready(panic) => {
                    let ran = self.keep(panic);
                    self.settle(ran, true, cx)
                }
            },
            Stage::Returned(Some(_)) => Progress::Panicked,
            Stage::Returned(None) => {
                self.stage = Stage::Finished;
                Progress::Returned
            }
            Stage::Unstarted | Stage::Finished => panic!("`Call` polled after completion"),
        }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    unsafe fn start(
        &mut self,
        thread: Option<&ThreadSlot>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        match thread.map(|thread| (thread, thread.frame())) {
            Some((thread, frame @ (Frame::Call | Frame::Scope)))
                if frame == Frame::Call
                    || thread.take_call()
                    || self.put_off_by == thread.scope_poll() =>
            {
                let _call = thread.enter_frame(Frame::Call);
                if self.options.mode == Mode::Long {
                    thread.hand_off();
                }
                let mut has_slot = true;
                // SAFETY: by this function's contract.
                let ran = unsafe { self.run(Some(thread), job, cx, &mut has_slot) };
                self.settle(ran, has_slot || frame == Frame::Call, cx)
            }
            // SAFETY: by this function's contract.
            Some((thread, frame)) => unsafe { self.start_without_frame(thread, frame, job, cx) },
            None => {
                // SAFETY: by this function's contract.
                let ran = unsafe { self.run_cold(None, job, cx, &mut true) };
                self.settle(ran, true, cx)
            }
        }
    }

    /// With a frame of its own, if there is a slot to cede and no scope to ask.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn start_without_frame(
        &mut self,
        thread: &ThreadSlot,
        frame: Frame,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        let brief = self.options.mode == Mode::Brief;
        let scope_offers = matches!(frame, Frame::ScopeOffers | Frame::ScopeAsked) && !brief;
        if self.put_off_by != thread.scope_poll() && (frame == Frame::Scope || scope_offers) {
            if scope_offers {
                thread.ask_for_frame();
            }
            self.put_off_by = thread.scope_poll();
            cx.waker().wake_by_ref();
            return Progress::Pending;
        }
        match coop::poll_proceed(cx) {
            Poll::Ready(budget) => budget.made_progress(),
            // tokio has kept the waker until its scheduler gets its turn. Under an executor within the task it never does; such
            // an executor has wakers of its own, polls again at once, and goes on.
            Poll::Pending if !self.yielded => {
                self.yielded = true;
                if !is_task_waker(cx.waker()) {
                    cx.waker().wake_by_ref();
                }
                return Progress::Pending;
            }
            Poll::Pending => (),
        }
        // A scope that offers a frame has nothing to say to what runs below.
        let _alone = thread.enter_frame(Frame::None);
        let losses = thread.losses();
        let mut ran = Ran::Suspended;
        if brief {
            // SAFETY: by this function's contract.
            ran = unsafe { self.run_cold(Some(thread), job, cx, &mut true) };
        } else {
            thread.cede(Frame::Call, self.options.mode == Mode::Long, &mut || {
                // SAFETY: by this function's contract.
                ran = unsafe { self.run_cold(Some(thread), job, cx, &mut true) };
            });
        }
        // What a frame knew of its slot when C returned is not the last word: the core may have come back.
        self.settle(ran, thread.losses() == losses, cx)
    }

    /// Without its slot the task goes back to the run queue, result in hand.
    #[inline]
    fn settle(&mut self, ran: Ran, has_slot: bool, cx: &mut task::Context<'_>) -> Progress {
        match ran {
            Ran::Suspended => Progress::Pending,
            _ if !has_slot => {
                if ran == Ran::Returned {
                    self.stage = Stage::Returned(None);
                }
                cx.waker().wake_by_ref();
                Progress::Pending
            }
            Ran::Returned => Progress::Returned,
            Ran::Panicked => Progress::Panicked,
        }
    }

    /// Runs C from its beginning. `has_slot` becomes false if the slot was lost on the way.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    unsafe fn run(
        &mut self,
        thread: Option<&ThreadSlot>,
        job: Job,
        cx: &mut task::Context<'_>,
        has_slot: &mut bool,
    ) -> Ran {
        if self.options.ground != GroundKind::CStack {
            // SAFETY: by this function's contract.
            return unsafe { self.run_otherwise(thread, job, cx, has_slot) };
        }
        // What is overwritten is `Unstarted`, which has nothing to drop.
        std::mem::forget(std::mem::replace(&mut self.stage, Stage::Finished));
        let mut stack = acquire(&self.options);
        let ground = Ground::CStack(stack.suspender(), cx.waker().into());
        // SAFETY: the label is part of `self`, which is pinned.
        let context = ManuallyDrop::new(unsafe { Context::new(&self.options.label, ground) });
        let marks = thread.and_then(ThreadSlot::marks);
        // SAFETY: the context stays in this frame until C has returned; the rest is this function's contract.
        let switch = unsafe { switch(&context, &mut stack, Some(job), marks, has_slot) };
        if switch == Switch::Done && context.is_untouched() {
            stack::release(stack);
            return Ran::Returned;
        }
        self.wind_up(stack, ManuallyDrop::into_inner(context), switch)
    }

    /// The end of a call that has panicked, or whose callbacks were refused.
    #[cold]
    fn wind_up(&mut self, mut stack: Stack, context: Context, switch: Switch) -> Ran {
        let own = match switch {
            Switch::Done => None,
            Switch::Panicked => stack.take_panic(),
            Switch::Asked => abort("a call that cannot be set aside was"),
        };
        stack::release(stack);
        self.keep(context.settle_panic(own))
    }

    /// Keeps a panic until it is to be raised.
    fn keep(&mut self, panic: Option<Payload>) -> Ran {
        if panic.is_none() {
            self.stage = Stage::Finished;
            return Ran::Returned;
        }
        self.stage = Stage::Returned(panic);
        Ran::Panicked
    }

    /// [`run`](Self::run), where its instructions need not stand in line.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    unsafe fn run_cold(
        &mut self,
        thread: Option<&ThreadSlot>,
        job: Job,
        cx: &mut task::Context<'_>,
        has_slot: &mut bool,
    ) -> Ran {
        // SAFETY: by this function's contract.
        unsafe { self.run(thread, job, cx, has_slot) }
    }

    /// On the thread's own stack, or on one that may be set aside.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    unsafe fn run_otherwise(
        &mut self,
        thread: Option<&ThreadSlot>,
        job: Job,
        cx: &mut task::Context<'_>,
        has_slot: &mut bool,
    ) -> Ran {
        self.stage = Stage::Finished;
        if self.options.ground == GroundKind::ThreadStack {
            // SAFETY: by this function's contract.
            let panic =
                unsafe { run_on_thread_stack(&self.options.label, thread, job, cx, has_slot) };
            return self.keep(panic);
        }
        // SAFETY: by this function's contract.
        let mut call =
            unsafe { Suspendable::new(&self.options.label, acquire(&self.options), job) };
        match call.start(thread, cx) {
            Poll::Ready(panic) => {
                *has_slot &= call.has_slot();
                self.keep(panic)
            }
            Poll::Pending => {
                self.stage = Stage::Suspended(call);
                Ran::Suspended
            }
        }
    }
}

/// # Safety
///
/// By the contract of [`Job`] `job` may be run, once.
unsafe fn run_on_thread_stack(
    label: &Label,
    thread: Option<&ThreadSlot>,
    job: Job,
    cx: &mut task::Context<'_>,
    has_slot: &mut bool,
) -> Option<Payload> {
    // SAFETY: the label outlives this frame.
    let context = unsafe { Context::new(label, Ground::ThreadStack(cx.waker().into())) };
    let marks = thread.and_then(ThreadSlot::marks);
    marks.inspect(|marks| marks.enter_c());
    let own = {
        // SAFETY: the context stays in this frame, and the guard drops below.
        let _entered = unsafe { context.enter() };
        // SAFETY: by this function's contract.
        caught(|| unsafe { (job.run)(job.argument) }).err()
    };
    *has_slot &= marks.is_none_or(Marks::enter_rust);
    context.settle_panic(own)
}

/// Goes to the C stack, to start `job` or else to go on with the one that is suspended, and comes back. `has_slot` becomes false if the frame's slot was lost meanwhile.
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
    has_slot: &mut bool,
) -> Switch {
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
    if let Some(marks) = marks {
        *has_slot &= marks.enter_rust();
    }
    switch
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
