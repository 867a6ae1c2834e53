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
//! 2. `Suspended` is left on the thread it was entered on. Dropped there, the call is cancelled and C resumed until it
//!    returns; dropped elsewhere, its stack is leaked and the leak reported.
//! 3. From `Returned` on, C is through. The result waits for a poll that has a slot.
//! 4. A call is put off at most once by its scope, so that it goes on under any executor.

use super::options::{Mode, Options};
use crate::callback::{self, Asked, Driven};
use crate::context::{self, Context, Ground};
use crate::observe;
use crate::panic::Payload;
use crate::slot::{Frame, Reacquired, ThreadSlot, with_thread};
use crate::stack::{self, Exceptions, Job, Stack, Switch};
use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll, ready};
use tokio::task::coop;

enum Stage {
    Unstarted,
    Suspended(Box<Suspended>),
    Returned,
    Finished,
}

/// A call that waits for a callback, with its C stack set aside.
struct Suspended {
    stack: Stack,
    asked: Asked,
    exceptions: Exceptions,
    hook: Option<usize>,
    home: ThreadToken,
}

// SAFETY: what keeps `Suspended` from being `Send` is C's frames and the future that lies among them. Another thread
// does nothing with them: `resume` and `Drop` compare `home` with the thread they are on before they touch anything.
unsafe impl Send for Suspended {}

pub(super) struct Core {
    options: Options,
    stage: Stage,
    /// Whether a scope has put this call off already (rule 4).
    put_off: bool,
    /// There from the start of C on; C finds it by the thread-local.
    context: Option<Context>,
}

// SAFETY: the context's cells and pointers are used by the thread that runs the call's C, in `Suspended` by none, and
// there only `home` is compared from elsewhere. Its panic payload is `Send`, and so is its parker.
unsafe impl Send for Core {}

impl Core {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            stage: Stage::Unstarted,
            put_off: false,
            context: None,
        }
    }

    pub(super) fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Ready when C has returned and this thread has what it had before.
    ///
    /// # Safety
    ///
    /// `job` is the same at every poll, and neither `self` nor what `job` refers to moves between the first poll and the
    /// moment `self` is dropped.
    #[inline]
    pub(super) unsafe fn poll(&mut self, job: &Job, cx: &mut task::Context<'_>) -> Poll<()> {
        match self.stage {
            // SAFETY: by this function's contract.
            Stage::Unstarted => with_thread(|thread| unsafe { self.start(thread, job, cx) }),
            // SAFETY: by this function's contract.
            Stage::Suspended(_) => unsafe { self.resume(cx) },
            Stage::Returned => {
                self.stage = Stage::Finished;
                Poll::Ready(())
            }
            Stage::Finished => panic!("`Call` polled after completion"),
        }
    }

    /// The panic of a callback, to be raised in the awaiting task.
    #[inline]
    pub(super) fn take_panic(&mut self) -> Option<Payload> {
        self.context.as_ref()?.take_panic()
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline]
    unsafe fn start(&mut self, thread: Option<&ThreadSlot>, job: &Job, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(thread) = thread else {
            // SAFETY: by this function's contract.
            return unsafe { self.run(None, job, cx) };
        };
        match thread.frame() {
            // SAFETY: by this function's contract.
            Frame::Call => unsafe { self.run(Some(thread), job, cx) },
            // SAFETY: by this function's contract.
            Frame::Scope { left } => unsafe { self.start_in_scope(thread, left, job, cx) },
            Frame::ScopeOffers | Frame::ScopeAsked if self.options.mode != Mode::Brief && !self.put_off => {
                thread.set_frame(Frame::ScopeAsked);
                self.put_off(cx)
            }
            // SAFETY: by this function's contract.
            _ => unsafe { self.start_alone(thread, job, cx) },
        }
    }

    /// In the frame of a scope, which is shared by the calls of one poll.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline]
    unsafe fn start_in_scope(
        &mut self,
        thread: &ThreadSlot,
        left: u32,
        job: &Job,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        if (left == 0 || thread.is_lost()) && !self.put_off {
            return self.put_off(cx);
        }
        thread.set_frame(Frame::Scope {
            left: left.saturating_sub(1),
        });
        let polled = {
            let _call = thread.enter_frame(Frame::Call);
            if self.options.mode == Mode::Long {
                thread.hand_off();
            }
            // SAFETY: by this function's contract.
            unsafe { self.run(Some(thread), job, cx) }
        };
        self.settle(polled, thread.is_lost(), cx)
    }

    /// With a frame of its own, if there is a slot to cede.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn start_alone(&mut self, thread: &ThreadSlot, job: &Job, cx: &mut task::Context<'_>) -> Poll<()> {
        let budget = ready!(coop::poll_proceed(cx));
        budget.made_progress();
        // A scope that offers a frame has nothing to say to what runs below.
        let _alone = thread.enter_frame(Frame::None);
        let mut polled = Poll::Pending;
        let reacquired = match self.options.mode {
            Mode::Brief => {
                // SAFETY: by this function's contract.
                polled = unsafe { self.run(Some(thread), job, cx) };
                Reacquired::Yes
            }
            mode => thread.cede(Frame::Call, mode == Mode::Long, &mut || {
                // SAFETY: by this function's contract.
                polled = unsafe { self.run(Some(thread), job, cx) };
            }),
        };
        let lost = reacquired == Reacquired::No || self.context.as_ref().is_some_and(Context::has_lost_slot);
        self.settle(polled, lost, cx)
    }

    /// Without its slot the task goes back to the run queue, result in hand.
    #[inline]
    fn settle(&mut self, polled: Poll<()>, lost: bool, cx: &mut task::Context<'_>) -> Poll<()> {
        if polled.is_ready() && lost {
            self.stage = Stage::Returned;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }

    fn put_off(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        self.put_off = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Runs C, from its beginning.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[inline]
    unsafe fn run(&mut self, thread: Option<&ThreadSlot>, job: &Job, cx: &mut task::Context<'_>) -> Poll<()> {
        if self.options.on_thread_stack {
            // SAFETY: by this function's contract.
            unsafe { self.run_on_thread_stack(thread, job, cx) };
            return Poll::Ready(());
        }
        let stack = acquire(&self.options);
        let context = Context::new(self.options.label, Ground::CStack(stack.suspender()));
        self.context = Some(context);
        // SAFETY: the stack is idle; the rest is this function's contract.
        unsafe { self.go_on(thread, stack, Exceptions::NONE, Some(job), cx) }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn run_on_thread_stack(&mut self, thread: Option<&ThreadSlot>, job: &Job, cx: &mut task::Context<'_>) {
        let context = self.context.insert(Context::new(self.options.label, Ground::ThreadStack));
        context.set_task_waker(cx.waker());
        thread.inspect(|thread| thread.enter_c());
        {
            // SAFETY: `self` is pinned, by this function's contract, and the guard drops below.
            let _entered = unsafe { context.enter() };
            // SAFETY: by the contract of `Job`; it is run this once.
            unsafe { (job.run)(job.argument) };
        }
        thread.inspect(|thread| thread.enter_rust());
        self.stage = Stage::Finished;
    }

    /// Goes back and forth between C and its callbacks, until C has returned or a callback suspends the call.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll); `first` is given exactly if `stack` is idle, and else `stack` is one that this call has
    /// suspended on this thread.
    #[inline]
    unsafe fn go_on(
        &mut self,
        thread: Option<&ThreadSlot>,
        mut stack: Stack,
        mut exceptions: Exceptions,
        mut first: Option<&Job>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        let context = self.context.as_ref().expect("made before C runs");
        let may_suspend = self.options.suspendable;
        context.set_task_waker(cx.waker());
        loop {
            thread.inspect(|thread| thread.enter_c());
            // SAFETY: by this function's contract.
            let switch = unsafe { switch(context, &mut stack, first.take(), may_suspend.then_some(&mut exceptions)) };
            thread.inspect(|thread| thread.enter_rust());
            if switch == Switch::Done {
                stack::release(stack);
                self.stage = Stage::Finished;
                return Poll::Ready(());
            }
            let asked = context.take_asked();
            let driven = if may_suspend {
                callback::drive_or_suspend(context, &asked, thread, cx.waker())
            } else {
                Driven::Answered(callback::drive(context, &asked, thread))
            };
            match driven {
                Driven::Answered(answer) => context.answer(answer),
                Driven::Suspend => {
                    self.stage = Stage::Suspended(Box::new(Suspended {
                        stack,
                        asked,
                        exceptions,
                        hook: crate::config::get().on_switch.map(|hook| (hook.leave)()),
                        home: ThreadToken::current(),
                    }));
                    return Poll::Pending;
                }
            }
        }
    }

    /// Polls the callback that a suspended call waits for, and goes on if it is ready.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    unsafe fn resume(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Stage::Suspended(suspended) = &self.stage else {
            unreachable!("called in this stage only");
        };
        let context = self.context.as_ref().expect("made before C runs");
        assert!(
            suspended.home == ThreadToken::current(),
            "a suspended call was polled on another thread than its own: {}",
            context.label(),
        );
        context.set_task_waker(cx.waker());
        let Some(answer) = callback::poll(context, &suspended.asked, cx.waker()) else {
            return Poll::Pending;
        };
        let (stack, exceptions) = self.leave_suspended(answer);
        // SAFETY: the stack was suspended by this call, on this thread; the rest is this function's contract.
        with_thread(|thread| unsafe { self.go_on(thread, stack, exceptions, None, cx) })
    }

    /// Takes a suspended call's stack out, ready to be resumed with `answer`.
    fn leave_suspended(&mut self, answer: Result<(), crate::Refused>) -> (Stack, Exceptions) {
        let Stage::Suspended(suspended) = std::mem::replace(&mut self.stage, Stage::Finished) else {
            unreachable!("called in this stage only");
        };
        let Suspended {
            stack,
            exceptions,
            hook,
            ..
        } = *suspended;
        if let (Some(hook), Some(word)) = (crate::config::get().on_switch, hook) {
            (hook.enter)(word);
        }
        self.context.as_ref().expect("made before C runs").answer(answer);
        (stack, exceptions)
    }
}

impl Drop for Core {
    /// Rule 2.
    fn drop(&mut self) {
        let Stage::Suspended(suspended) = &self.stage else {
            return;
        };
        let context = self.context.as_ref().expect("made before C runs");
        if suspended.home != ThreadToken::current() {
            observe::leaked_stack(context.label());
            // Dropping a stack in the midst of a job leaks it; the context leaks with what C may point to.
            std::mem::forget(self.context.take());
            return;
        }
        context.cancel();
        let (mut stack, mut exceptions) = self.leave_suspended(Err(crate::Refused::Cancelled));
        let context = self.context.as_ref().expect("made before C runs");
        // SAFETY: the stack was suspended by this call, on this thread, and the call's memory is still pinned.
        let switch = unsafe { switch(context, &mut stack, None, Some(&mut exceptions)) };
        debug_assert_eq!(switch, Switch::Done, "a cancelled call's callbacks are refused before they suspend");
        stack::release(stack);
        if let Some(payload) = context.take_panic() {
            crate::panic::discard(payload);
        }
    }
}

/// Goes to the C stack and comes back.
///
/// # Safety
///
/// As [`Stack::switch`], and `context` stays where it is until this returns.
#[inline]
unsafe fn switch(
    context: &Context,
    stack: &mut Stack,
    first: Option<&Job>,
    mut exceptions: Option<&mut Exceptions>,
) -> Switch {
    // SAFETY: by this function's contract; the guard drops below.
    let _entered = unsafe { context.enter() };
    if let Some(exceptions) = exceptions.as_deref_mut() {
        exceptions.exchange();
    }
    // SAFETY: by this function's contract.
    let switch = unsafe { stack.switch(first) };
    if let Some(exceptions) = exceptions {
        exceptions.exchange();
    }
    switch
}

/// A stack for the call, and, the first time in the process, the message for when it overflows.
#[inline]
fn acquire(options: &Options) -> Stack {
    static MESSAGE: Once = Once::new();
    MESSAGE.call_once(|| stack::overflow::install(context::describe));
    match stack::acquire(options.stack_size) {
        Ok(stack) => stack,
        Err(error) => no_stack(options, &error),
    }
}

#[cold]
fn no_stack(options: &Options, error: &std::io::Error) -> ! {
    panic!("no C stack of {} bytes for call {}: {error}", options.stack_size, options.label)
}

/// Tells threads apart, also across the end of one and the beginning of another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadToken(NonZeroU64);

impl ThreadToken {
    fn current() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        thread_local! {
            static MINE: Cell<Option<NonZeroU64>> = const { Cell::new(None) };
        }
        let token = MINE.get().or_else(|| NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)));
        MINE.set(token);
        Self(token.expect("2^64 threads are not made in a lifetime"))
    }
}
