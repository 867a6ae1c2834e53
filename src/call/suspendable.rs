//! Calls whose C stack may be set aside while a callback is pending.
//!
//! # Rules
//!
//! 1. A suspended call is resumed only on the thread that suspended it, its home.
//! 2. Dropped at home, it is cancelled: every callback is refused from then on, and C resumed until it returns.
//! 3. Dropped elsewhere, or when a hook has panicked in its midst, it cannot be resumed: its stack is leaked, with all that is
//!    on it, and the leak reported.
//! 4. Whatever C and C++ keep for a thread is exchanged at every switch, for stacks that are set aside do not nest.

use crate::asked::{Answer, Asked};
use crate::callback::{self, Driven};
use crate::config;
use crate::context::{Context, Ground, Label};
use crate::error::Refused;
use crate::here::{self, Here};
use crate::observe;
use crate::panic::{Payload, abort, discard};
use crate::slot::{Marks, ThreadSlot};
use crate::stack::{self, Exceptions, Fiber, Job, Left, Outcome, Stack};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};

pub(super) struct Suspendable {
    context: Context,
    fiber: Fiber<Answer, Asked>,
    /// C's until C has returned; then given back.
    stack: Option<ManuallyDrop<Stack>>,
    exceptions: Exceptions,
    home: Option<ThreadToken>,
    has_slot: bool,
    /// What C waits for while the call is suspended, with the word of the user's hook.
    waits_for: Option<(Asked, Option<usize>)>,
}

// SAFETY: what keeps this from being `Send` is C's frames and the future that lies among them. On a thread other than its
// home nothing is done with them: `resume` and `drop` compare the two before they touch anything. The job's types are the
// business of `Call`, which is `Send` only if they are; the panic that the context may hold is, its pointers are used at home only.
unsafe impl Send for Suspendable {}

impl Suspendable {
    /// # Safety
    ///
    /// `stack` is idle. `label` and what `job` refers to stay where they are until the result is dropped; it is dropped, unless
    /// what they refer to is leaked with it. `job` may be run.
    pub(super) unsafe fn new(label: &Label, stack: Stack, job: Job) -> Box<Self> {
        // SAFETY: the stack is kept beside the fiber, until C has returned or for good.
        let fiber = unsafe { stack.fiber(job) };
        let ground = Ground::Suspendable(fiber.suspender());
        Box::new(Self {
            // SAFETY: by this function's contract.
            context: unsafe { Context::new(label, ground, None) },
            fiber,
            stack: Some(ManuallyDrop::new(stack)),
            exceptions: Exceptions::NONE,
            home: ThreadToken::current(),
            has_slot: true,
            waits_for: None,
        })
    }

    /// Runs C until it has returned or waits. Called once.
    pub(super) fn start(
        &mut self,
        thread: Option<&ThreadSlot>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        // What C starts with is nobody's answer.
        self.go_on(Ok(()), thread, cx)
    }

    /// Polls what C waits for, and goes on if it is ready.
    pub(super) fn resume(
        &mut self,
        thread: Option<&ThreadSlot>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        assert!(
            self.is_at_home(),
            "a suspended call was polled on another thread than its own: {}",
            self.context.label(),
        );
        let (asked, _) = self
            .waits_for
            .as_ref()
            .expect("a suspended call waits for something");
        match callback::poll_once(&self.context, asked, cx) {
            None => Poll::Pending,
            Some(answer) => {
                self.return_home();
                self.go_on(answer, thread, cx)
            }
        }
    }

    fn go_on(
        &mut self,
        mut answer: Answer,
        thread: Option<&ThreadSlot>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        loop {
            let asked = match self.switch(answer, thread) {
                Left::Suspended(asked) => asked,
                Left::Returned(outcome) => return Poll::Ready(self.end(outcome)),
            };
            match callback::drive_or_suspend(&self.context, &asked, thread, cx) {
                Driven::Answered(next) => answer = next,
                Driven::Suspend => {
                    let word = config::get().on_switch.map(|hook| (hook.leave)());
                    self.waits_for = Some((asked, word));
                    return Poll::Pending;
                }
            }
        }
    }

    /// Goes to C, and comes back when it waits or has returned.
    fn switch(&mut self, answer: Answer, thread: Option<&ThreadSlot>) -> Left<Asked> {
        here::with(|here| self.switch_from(here, answer, thread))
    }

    fn switch_from(
        &mut self,
        here: &Here,
        answer: Answer,
        thread: Option<&ThreadSlot>,
    ) -> Left<Asked> {
        let marks = thread.and_then(ThreadSlot::marks);
        self.exceptions.exchange();
        marks.inspect(|marks| marks.enter_c());
        let left = {
            // SAFETY: the context stays in its box, and the guard drops below.
            let _entered = unsafe { self.context.enter(here) };
            let _lends_nothing = stack::lend_nothing(here);
            // SAFETY: C has not returned, and was suspended, if it was, on this thread, its home. What the job borrows is there
            // by the contract of `new`.
            unsafe { self.fiber.resume(answer) }
        };
        let has_slot = marks.is_none_or(Marks::enter_rust);
        self.exceptions.exchange();
        self.has_slot &= has_slot;
        left
    }

    fn is_at_home(&self) -> bool {
        self.home.is_some() && self.home == ThreadToken::current()
    }

    /// Makes the call ready to be resumed.
    fn return_home(&mut self) {
        let word = self.waits_for.take().and_then(|(_, word)| word);
        if let (Some(hook), Some(word)) = (config::get().on_switch, word) {
            (hook.enter)(word);
        }
    }

    /// C is through: gives the stack back; the panic to raise. Called once.
    fn end(&mut self, outcome: Outcome) -> Option<Payload> {
        self.stack
            .take()
            .map(ManuallyDrop::into_inner)
            .into_iter()
            .for_each(stack::release);
        self.context.settle_panic(outcome)
    }

    /// Whether no frame's slot was lost under C, from the start on.
    pub(super) fn has_slot(&self) -> bool {
        self.has_slot
    }
}

impl Drop for Suspendable {
    /// Rules 2 and 3.
    fn drop(&mut self) {
        if self.stack.is_none() {
            return;
        }
        // C waits for nothing if it was abandoned in its midst: by a hook that has panicked.
        if self.waits_for.is_none() || !self.is_at_home() {
            observe::leaked_stack(self.context.label());
            return;
        }
        self.context.cancel();
        self.return_home();
        let Left::Returned(outcome) = self.switch(Err(Refused::Cancelled), None) else {
            abort("a cancelled call was suspended again");
        };
        if let Some(payload) = self.end(outcome) {
            discard(payload);
        }
    }
}

/// Tells threads apart, also across the end of one and the beginning of another. A thread whose thread-locals are being
/// destroyed is nobody's home: C may hold on to one that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ThreadToken(u64);

impl ThreadToken {
    /// `None` on a thread that ends.
    fn current() -> Option<Self> {
        thread_local! {
            static MINE: Mine = Mine(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);

        /// Has a destructor, so that it goes as the others do: those last made first.
        struct Mine(u64);
        impl Drop for Mine {
            fn drop(&mut self) {}
        }
        MINE.try_with(|mine| Self(mine.0)).ok()
    }
}
