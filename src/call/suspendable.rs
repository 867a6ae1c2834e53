//! Calls whose C stack may be set aside while a callback is pending.
//!
//! # Rules
//!
//! 1. A suspended call is resumed only on the thread that suspended it, its home.
//! 2. Dropped at home, it is cancelled: every callback is refused from then on, and C resumed until it returns.
//! 3. Dropped elsewhere, it cannot be resumed: its stack is leaked, with all that is on it, and the leak reported.
//! 4. Whatever C and C++ keep for a thread is exchanged at every switch, for stacks that are set aside do not nest.

use super::core::switch;
use crate::callback::{self, Asked, Driven};
use crate::config;
use crate::context::{Context, Ground, Label};
use crate::error::Refused;
use crate::observe;
use crate::panic::{Payload, discard};
use crate::slot::ThreadSlot;
use crate::stack::{self, Exceptions, Job, Stack, Switch};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};

pub(super) struct Suspendable {
    context: Context,
    /// There until C has returned.
    stack: Option<Stack>,
    job: Job,
    exceptions: Exceptions,
    home: Option<ThreadToken>,
    has_slot: bool,
    /// What C waits for while the call is suspended, with the word of the user's hook.
    waits_for: Option<(Asked, Option<usize>)>,
}

// SAFETY: what keeps this from being `Send` is C's frames and the future that lies among them. On a thread other than its
// home nothing is done with them: `resume` and `drop` compare the two before they touch anything. The job's types are the
// business of `Call`, which is `Send` only if they are; the panic that the context may hold is, and so is its parker.
unsafe impl Send for Suspendable {}

impl Suspendable {
    /// # Safety
    ///
    /// `stack` is idle. `label` stays where it is until the result is dropped. What `job` refers to stays where it is until this is dropped, and the result is dropped, unless
    /// what it refers to is leaked with it.
    pub(super) unsafe fn new(label: &Label, stack: Stack, job: Job) -> Box<Self> {
        Box::new(Self {
            // SAFETY: by this function's contract.
            context: unsafe { Context::new(label, Ground::Suspendable(stack.suspender())) },
            stack: Some(stack),
            job,
            exceptions: Exceptions::NONE,
            home: ThreadToken::current(),
            has_slot: true,
            waits_for: None,
        })
    }

    /// Runs C until it has returned or waits.
    pub(super) fn start(
        &mut self,
        thread: Option<&ThreadSlot>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        let job = self.job;
        self.go_on(thread, Some(job), cx)
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
                self.return_home(answer);
                self.go_on(thread, None, cx)
            }
        }
    }

    fn go_on(
        &mut self,
        thread: Option<&ThreadSlot>,
        mut first: Option<Job>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        loop {
            let switch = self.switch(first.take(), thread);
            if switch != Switch::Asked {
                return Poll::Ready(self.end(switch));
            }
            let asked = self.context.take_asked();
            match callback::drive_or_suspend(&self.context, &asked, thread, cx) {
                Driven::Answered(answer) => self.context.answer(answer),
                Driven::Suspend => {
                    let word = config::get().on_switch.map(|hook| (hook.leave)());
                    self.waits_for = Some((asked, word));
                    return Poll::Pending;
                }
            }
        }
    }

    fn switch(&mut self, first: Option<Job>, thread: Option<&ThreadSlot>) -> Switch {
        let stack = self.stack.as_mut().expect("there until C has returned");
        let marks = thread.and_then(ThreadSlot::marks);
        self.exceptions.exchange();
        // SAFETY: the stack is idle exactly if `first` is given, and else was suspended on this thread, its home. The box
        // keeps the context where it is; the job's part is the contract of `new`.
        let back = unsafe { switch(&self.context, stack, first, marks) };
        self.exceptions.exchange();
        self.has_slot &= back.has_slot;
        back.switch
    }

    fn is_at_home(&self) -> bool {
        self.home.is_some() && self.home == ThreadToken::current()
    }

    /// Makes the call ready to be resumed with `answer`.
    fn return_home(&mut self, answer: Result<(), Refused>) {
        let word = self.waits_for.take().and_then(|(_, word)| word);
        if let (Some(hook), Some(word)) = (config::get().on_switch, word) {
            (hook.enter)(word);
        }
        self.context.answer(answer);
    }

    /// C is through: gives the stack back; the panic to raise.
    fn end(&mut self, switch: Switch) -> Option<Payload> {
        let mut stack = self.stack.take().expect("there until C has returned");
        let own = if switch == Switch::Panicked {
            stack.take_panic()
        } else {
            None
        };
        stack::release(stack);
        self.context.settle_panic(own)
    }

    /// Whether the thread still has the slot that it had when C was last resumed.
    pub(super) fn has_slot(&self) -> bool {
        self.has_slot
    }
}

impl Drop for Suspendable {
    /// Rules 2 and 3.
    fn drop(&mut self) {
        if self.waits_for.is_none() {
            return;
        }
        if !self.is_at_home() {
            // A stack that is dropped in the midst of a job leaks.
            observe::leaked_stack(self.context.label());
            return;
        }
        self.context.cancel();
        self.return_home(Err(Refused::Cancelled));
        let switch = self.switch(None, None);
        debug_assert_ne!(
            switch,
            Switch::Asked,
            "a cancelled call's callbacks are refused before they suspend"
        );
        if let Some(payload) = self.end(switch) {
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
