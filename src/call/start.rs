//! How a call starts: what becomes of the slot, and who is to wait.

use super::core::{Core, Progress, Ran};
use super::run::{Back, Left, cross_on};
use crate::context::Context;
use crate::here::Here;
use crate::label::{CallMode, Mode};
use crate::slot::{Frame, Marks, ThreadSlot, is_task_waker, known_thread, with_thread};
use crate::stack::{self, Job, Lent};
use std::mem::ManuallyDrop;
use std::task::{self, Poll, Waker};
use tokio::task::coop;

impl Core {
    /// In a frame of a scope's or of a call's that called back.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    pub(super) unsafe fn start_in_frame(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        // Whatever is unusual goes another way, and leaves no trace in this one.
        // SAFETY: what is lent comes back in this function, before that of any call around it.
        let Some((marks, stack)) = (unsafe { self.at_hand(here, thread) }) else {
            // SAFETY: by this function's contract.
            return unsafe { self.start_in_frame_otherwise(here, thread, job, cx) };
        };
        // SAFETY: by this function's contract.
        let context = unsafe { self.begin_on(&stack, cx) };
        // SAFETY: the stack was lent to us, and the context stays in this frame; the rest is this function's contract.
        let back = unsafe { cross_on(here, &context, stack, Some(marks), job) };
        if back.is_well(&context) {
            self.has_ended_well();
            return Progress::Returned;
        }
        self.settle_in_frame(context, back)
    }

    /// What a call in a frame needs, if it is at hand and the call wants no more.
    ///
    /// # Safety
    ///
    /// As [`stack::lend`].
    #[inline(always)]
    unsafe fn at_hand<'a>(
        &self,
        here: &'a Here,
        thread: &'a ThreadSlot,
    ) -> Option<(Marks<'a>, Lent<'a>)> {
        if self.label.manner.mode == Mode::Long || !thread.may_call() {
            return None;
        }
        let marks = thread.marks_of_frame()?;
        // SAFETY: by this function's contract.
        let stack = unsafe { self.lend_stack(here) }?;
        if self.label.manner.mode == Mode::Brief {
            marks.count_call(CallMode::Brief);
        }
        Some((marks, stack))
    }

    #[cold]
    #[inline(never)]
    fn settle_in_frame(&mut self, context: ManuallyDrop<Context>, back: Back) -> Progress {
        let context = ManuallyDrop::into_inner(context);
        let left = self.wind_up(&context, back, None);
        self.settle_scoped(left, context.task_waker())
    }

    /// Only the end of a scope's own calls takes the task back to the run queue; what runs under a callback has an outer call
    /// that does so.
    fn settle_scoped(&mut self, left: Left, waker: &Waker) -> Progress {
        let in_scope = with_thread(|thread| thread.is_some_and(|t| t.frame() == Frame::Scope));
        self.settle(left.ran, left.has_slot || !in_scope, waker)
    }

    /// As [`start_in_frame`](Self::start_in_frame): for calls that want something else than most, when a round of calls is
    /// over, and from under C.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    #[inline(never)]
    unsafe fn start_in_frame_otherwise(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        if thread.marks().is_some() {
            if thread.frame() == Frame::Scope {
                if !thread.has_room() && !self.was_put_off(thread) {
                    return self.yield_by_scope(thread, cx);
                }
            } else if !thread.has_room_in_round() {
                // Under a callback, where what polls this call may be a runtime with a budget of its own.
                thread.begin_round_under_callback();
                if !self.has_budget(cx) {
                    return Progress::Pending;
                }
            }
            if self.label.manner.mode == Mode::Long {
                thread.hand_off(Some(&self.label));
            }
        }
        // SAFETY: by this function's contract.
        let left = unsafe { self.run(here, thread.marks(), job, cx) };
        self.settle_scoped(left, cx.waker())
    }

    /// Whether the scope that polls this call has put it off in this poll.
    #[inline]
    fn was_put_off(&self, thread: &ThreadSlot) -> bool {
        self.label.manner.put_off.by_scope == thread.scope_poll()
    }

    /// Without a frame, and without a wish for one.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    pub(super) unsafe fn start_brief(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        if !thread.has_brief_call() {
            // SAFETY: by this function's contract.
            return unsafe { self.start_brief_in_turn(here, thread, job, cx) };
        }
        // SAFETY: what is lent comes back in this function, before that of any call around it.
        let Some(stack) = (unsafe { self.lend_stack(here) }) else {
            // SAFETY: by this function's contract.
            return unsafe { self.start_brief_otherwise(here, thread, job, cx) };
        };
        thread.count_brief_call();
        // SAFETY: by this function's contract.
        unsafe { self.make_brief(here, thread, stack, job, cx) }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll); the stack was lent to the caller.
    #[inline(always)]
    unsafe fn make_brief(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        stack: Lent<'_>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        let losses = thread.losses();
        // SAFETY: by this function's contract.
        let context = unsafe { self.begin_on(&stack, cx) };
        // SAFETY: the stack was lent to us, and the context stays in this frame; the rest is this function's contract.
        let back = unsafe { cross_on(here, &context, stack, None, job) };
        // A callback that waits cedes for itself.
        let has_slot = known_thread(here).is_some_and(|thread| thread.losses() == losses);
        if has_slot && back.is_well(&context) {
            self.has_ended_well();
            return Progress::Returned;
        }
        self.settle_brief(context, back, has_slot)
    }

    /// As [`start_brief`](Self::start_brief), when it is the turn of tokio's budget.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    #[inline(never)]
    unsafe fn start_brief_in_turn(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        stack::tend(here);
        if !self.has_budget(cx) {
            return Progress::Pending;
        }
        // SAFETY: what is lent comes back in this function, before that of any call around it.
        let Some(stack) = (unsafe { self.lend_stack(here) }) else {
            // SAFETY: by this function's contract.
            return unsafe { self.make_brief_otherwise(here, thread, job, cx) };
        };
        thread.begin_brief_turn();
        // SAFETY: by this function's contract.
        unsafe { self.make_brief(here, thread, stack, job, cx) }
    }

    /// As [`start_brief`](Self::start_brief), for calls that want something else than most. They ask tokio's budget each time.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    #[inline(never)]
    unsafe fn start_brief_otherwise(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        stack::tend(here);
        if !self.has_budget(cx) {
            return Progress::Pending;
        }
        // SAFETY: by this function's contract.
        unsafe { self.make_brief_otherwise(here, thread, job, cx) }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn make_brief_otherwise(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        let losses = thread.losses();
        // SAFETY: by this function's contract.
        let ran = unsafe { self.run(here, None, job, cx) }.ran;
        self.settle_unceded(ran, thread.losses() == losses, cx.waker())
    }

    /// As [`settle`](Self::settle), for a call that has ceded nothing.
    fn settle_unceded(&mut self, ran: Ran, has_slot: bool, waker: &Waker) -> Progress {
        if !has_slot {
            self.time_loss_under_callback();
        }
        self.settle(ran, has_slot, waker)
    }

    #[cold]
    #[inline(never)]
    fn settle_brief(
        &mut self,
        context: ManuallyDrop<Context>,
        back: Back,
        has_slot: bool,
    ) -> Progress {
        let context = ManuallyDrop::into_inner(context);
        let left = self.wind_up(&context, back, None);
        self.settle_unceded(left.ran, has_slot, context.task_waker())
    }

    /// With a frame of its own, if there is a slot to cede and no scope to ask.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline(never)]
    pub(super) unsafe fn start_without_frame(
        &mut self,
        here: &Here,
        thread: &ThreadSlot,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        if thread.frame() != Frame::None && !self.was_put_off(thread) {
            thread.ask_for_frame();
            return self.put_off(thread, cx);
        }
        if !self.has_budget(cx) {
            return Progress::Pending;
        }
        let losses = thread.losses();
        let mut ran = Ran::Suspended;
        let mut has_ceded = false;
        let label = self.label;
        thread.cede(Frame::Call, Some(&label), &mut || {
            let marks = thread.marks();
            has_ceded = marks.is_some();
            // SAFETY: by this function's contract.
            ran = unsafe { self.run(here, marks, job, cx) }.ran;
        });
        stack::tend(here);
        // What a frame knew of its slot when C returned is not the last word: the core may have come back.
        let has_slot = thread.losses() == losses;
        if has_ceded {
            self.settle(ran, has_slot, cx.waker())
        } else {
            self.settle_unceded(ran, has_slot, cx.waker())
        }
    }

    /// The thread's first call; or one while its destructors run, when there is nothing to cede.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn start_on_unknown_thread(
        &mut self,
        here: &Here,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        with_thread(|thread| match thread {
            // SAFETY: by this function's contract.
            Some(_) => unsafe { self.poll_unseen(here, job, cx) },
            None => {
                // SAFETY: by this function's contract.
                let left = unsafe { self.run(here, None, job, cx) };
                self.settle(left.ran, true, cx.waker())
            }
        })
    }

    /// Because its scope has made its calls for this poll.
    #[cold]
    #[inline(never)]
    fn yield_by_scope(&mut self, thread: &ThreadSlot, cx: &mut task::Context<'_>) -> Progress {
        if !thread.is_scope_waker(cx.waker()) {
            // An executor within the scope waits for this waker alone; that of a task, if it is a runtime.
            return self.put_off(thread, cx);
        }
        self.label.manner.put_off.by_scope = thread.scope_poll();
        thread.yield_after_frame();
        Progress::Pending
    }

    /// By its scope (rule 3).
    #[cold]
    fn put_off(&mut self, thread: &ThreadSlot, cx: &mut task::Context<'_>) -> Progress {
        self.label.manner.put_off.by_scope = thread.scope_poll();
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
                let again = std::mem::replace(&mut self.label.manner.put_off.by_budget, true);
                if !again && !is_task_waker(cx.waker()) {
                    cx.waker().wake_by_ref();
                }
                again
            }
        }
    }
}
