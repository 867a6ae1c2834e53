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
//! 3. A call is put off at most once by its scope, so that it goes on under any executor.
//! 4. `Suspended` has rules of its own: [`suspendable`](super::suspendable).

use super::options::{GroundKind, Mode, Options};
use super::suspendable::Suspendable;
use crate::callback;
use crate::context::{self, Context, Ground, Label};
use crate::panic::{Payload, caught};
use crate::slot::{Frame, Marks, Reacquired, ThreadSlot, with_thread};
use crate::stack::{self, Job, Stack, Switch};
use std::mem::ManuallyDrop;
use std::task::{self, Poll, ready};
use tokio::task::coop;

enum Stage {
    Unstarted,
    Suspended(Box<Suspendable>),
    Returned(Option<Payload>),
    Finished,
}

pub(super) struct Core {
    options: Options,
    stage: Stage,
    /// Whether a scope has put this call off already (rule 3).
    put_off: bool,
}

/// How a run of C has ended.
struct Ran {
    /// To be raised in the awaiting task.
    panic: Option<Payload>,
    /// Whether a callback that waited has cost the thread its slot, though the call had opened no frame.
    slot_lost: bool,
}

impl Core {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            stage: Stage::Unstarted,
            put_off: false,
        }
    }

    pub(super) fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Ready when C has returned and this thread has what it had before; with the panic to raise, if any.
    ///
    /// # Safety
    ///
    /// `job` is the same at every poll, and neither `self` nor what `job` refers to moves or goes between the first poll
    /// and the moment `self` is dropped.
    #[inline(never)]
    pub(super) unsafe fn poll(&mut self, job: &Job, cx: &mut task::Context<'_>) -> Poll<Option<Payload>> {
        match self.stage {
            // SAFETY: by this function's contract.
            Stage::Unstarted => with_thread(|thread| unsafe { self.start(thread, job, cx) }),
            _ => self.poll_again(cx),
        }
    }

    #[cold]
    fn poll_again(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Payload>> {
        let panic = match &mut self.stage {
            Stage::Suspended(call) => ready!(with_thread(|thread| call.resume(thread, cx))),
            Stage::Returned(panic) => panic.take(),
            Stage::Unstarted | Stage::Finished => panic!("`Call` polled after completion"),
        };
        self.stage = Stage::Finished;
        Poll::Ready(panic)
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    unsafe fn start(
        &mut self,
        thread: Option<&ThreadSlot>,
        job: &Job,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        let Some(thread) = thread else {
            // SAFETY: by this function's contract.
            return unsafe { self.run_cold(None, job, cx) }.map(|ran| ran.panic);
        };
        match thread.frame() {
            frame @ (Frame::Call | Frame::Scope) if frame == Frame::Call || thread.take_call() || self.put_off => {
                let _call = thread.enter_frame(Frame::Call);
                if self.options.mode == Mode::Long {
                    thread.hand_off();
                }
                // SAFETY: by this function's contract.
                let ran = ready!(unsafe { self.run(Some(thread), job, cx) });
                self.settle(ran.panic, frame == Frame::Scope && thread.is_lost(), cx)
            }
            // SAFETY: by this function's contract.
            frame => unsafe { self.start_without_frame(thread, frame, job, cx) },
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
        job: &Job,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        let brief = self.options.mode == Mode::Brief;
        let scope_offers = matches!(frame, Frame::ScopeOffers | Frame::ScopeAsked) && !brief;
        if !self.put_off && (frame == Frame::Scope || scope_offers) {
            if scope_offers {
                thread.ask_for_frame();
            }
            self.put_off = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(coop::poll_proceed(cx)).made_progress();
        // A scope that offers a frame has nothing to say to what runs below.
        let _alone = thread.enter_frame(Frame::None);
        if brief {
            // SAFETY: by this function's contract.
            let ran = ready!(unsafe { self.run_cold(Some(thread), job, cx) });
            return self.settle(ran.panic, ran.slot_lost, cx);
        }
        let mut ran = Poll::Pending;
        let reacquired = thread.cede(Frame::Call, self.options.mode == Mode::Long, &mut || {
            // SAFETY: by this function's contract.
            ran = unsafe { self.run_cold(Some(thread), job, cx) };
        });
        let ran = ready!(ran);
        self.settle(ran.panic, ran.slot_lost || reacquired == Reacquired::No, cx)
    }

    /// Without its slot the task goes back to the run queue, result in hand.
    #[inline]
    fn settle(
        &mut self,
        panic: Option<Payload>,
        slot_lost: bool,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        if slot_lost {
            self.stage = Stage::Returned(panic);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(panic)
    }

    /// Runs C from its beginning.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(always)]
    unsafe fn run(&mut self, thread: Option<&ThreadSlot>, job: &Job, cx: &mut task::Context<'_>) -> Poll<Ran> {
        if self.options.ground != GroundKind::CStack {
            // SAFETY: by this function's contract.
            return unsafe { self.run_otherwise(thread, job, cx) };
        }
        // What is overwritten is `Unstarted`, which has nothing to drop.
        std::mem::forget(std::mem::replace(&mut self.stage, Stage::Finished));
        let mut stack = acquire(&self.options);
        let ground = Ground::CStack(stack.suspender());
        // SAFETY: the label is part of `self`, which is pinned.
        let context = ManuallyDrop::new(unsafe { Context::new(&self.options.label, ground) });
        context.set_task_waker(cx.waker());
        let marks = thread.and_then(ThreadSlot::marks);
        let mut first = Some(job);
        let switch = loop {
            // SAFETY: the context stays in this frame until C has returned; the rest is this function's contract.
            match unsafe { switch(&context, &mut stack, first.take(), marks) } {
                Switch::Asked => {
                    let asked = context.take_asked();
                    context.answer(callback::drive(&context, &asked, thread));
                }
                over => break over,
            }
        };
        if switch == Switch::Done && context.is_untouched() {
            stack::release(stack);
            return Poll::Ready(Ran {
                panic: None,
                slot_lost: false,
            });
        }
        Poll::Ready(wind_up(stack, ManuallyDrop::into_inner(context), switch))
    }

    /// [`run`](Self::run), where its instructions need not stand in line.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    unsafe fn run_cold(&mut self, thread: Option<&ThreadSlot>, job: &Job, cx: &mut task::Context<'_>) -> Poll<Ran> {
        // SAFETY: by this function's contract.
        unsafe { self.run(thread, job, cx) }
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
        job: &Job,
        cx: &mut task::Context<'_>,
    ) -> Poll<Ran> {
        self.stage = Stage::Finished;
        if self.options.ground == GroundKind::ThreadStack {
            // SAFETY: by this function's contract.
            return Poll::Ready(unsafe { run_on_thread_stack(&self.options.label, thread, job, cx) });
        }
        // SAFETY: by this function's contract.
        let mut call = unsafe { Suspendable::new(&self.options.label, acquire(&self.options), *job) };
        match call.start(thread, cx) {
            Poll::Ready(panic) => Poll::Ready(Ran {
                panic,
                slot_lost: call.has_lost_slot(),
            }),
            Poll::Pending => {
                self.stage = Stage::Suspended(call);
                Poll::Pending
            }
        }
    }
}

/// The end of a call that had callbacks or panicked.
#[inline(never)]
fn wind_up(mut stack: Stack, context: Context, switch: Switch) -> Ran {
    let own = if switch == Switch::Panicked { stack.take_panic() } else { None };
    stack::release(stack);
    Ran {
        panic: context.settle_panic(own),
        slot_lost: context.has_lost_slot(),
    }
}

/// # Safety
///
/// By the contract of [`Job`] `job` may be run, once.
unsafe fn run_on_thread_stack(
    label: &Label,
    thread: Option<&ThreadSlot>,
    job: &Job,
    cx: &mut task::Context<'_>,
) -> Ran {
    // SAFETY: the label outlives this frame.
    let context = unsafe { Context::new(label, Ground::ThreadStack) };
    context.set_task_waker(cx.waker());
    let marks = thread.and_then(ThreadSlot::marks);
    marks.inspect(|marks| marks.enter_c());
    let own = {
        // SAFETY: the context stays in this frame, and the guard drops below.
        let _entered = unsafe { context.enter() };
        // SAFETY: by this function's contract.
        caught(|| unsafe { (job.run)(job.argument) }).err()
    };
    marks.inspect(|marks| marks.enter_rust());
    Ran {
        panic: context.settle_panic(own),
        slot_lost: context.has_lost_slot(),
    }
}

/// Goes to the C stack and comes back.
///
/// # Safety
///
/// As [`Stack::switch`], and `context` stays where it is until the job is done.
#[inline(always)]
pub(super) unsafe fn switch(
    context: &Context,
    stack: &mut Stack,
    first: Option<&Job>,
    marks: Option<Marks<'_>>,
) -> Switch {
    marks.inspect(|marks| marks.enter_c());
    let switch = {
        // SAFETY: by this function's contract; the guard drops below.
        let _entered = unsafe { context.enter() };
        // SAFETY: by this function's contract.
        unsafe { stack.switch(first) }
    };
    marks.inspect(|marks| marks.enter_rust());
    switch
}

#[inline]
fn acquire(options: &Options) -> Stack {
    match stack::acquire(options.stack_size, context::describe) {
        Ok(stack) => stack,
        Err(error) => no_stack(options, &error),
    }
}

#[cold]
fn no_stack(options: &Options, error: &std::io::Error) -> ! {
    panic!("no C stack of {} bytes for call {}: {error}", options.stack_size, options.label)
}
