//! Calls whose C stack may be set aside while a callback is pending: `suspendable` and `migratable` ones.
//!
//! ```text
//!              C asks, the future is not ready             the future is ready
//!   running ──────────────────────────────────▶ waiting ──────────────────────▶ answered
//!      ▲  │                                         │ drop                          │ drop
//!      │  └── C returns ──▶ (through)               ▼                               ▼
//!      │                                   C goes on, refused            C goes on with the answer
//!      └──────────────────────── next go: C goes on with the answer ────────────────┘
//! ```
//!
//! The two kinds differ in their [`Home`] alone: one thread, or every thread.
//!
//! # Rules
//!
//! 1. A suspended call is resumed only at home.
//! 2. Dropped at home, it is cancelled: what C waits for is answered, with a refusal unless it was ready, every later callback is
//!    refused, and so C runs until it returns.
//! 3. Dropped elsewhere, it cannot be resumed: its stack is leaked, with all that is on it, and the leak reported.
//! 4. Whatever C and C++ keep for a thread is exchanged at every switch, for stacks that are set aside do not nest.
//! 5. A stack is set aside only when nothing on it has the thread, or tokio in the thread's name, refer to it
//!    ([`WayOut::is_open`]). Else the callback is polled where it is, as in a plain call.
//! 6. Between two moments at which C runs no slot, no frame and no thread is held.
//!
//! # Why a suspended stack may move
//!
//! A stack that has been set aside is memory that somebody will run on again; what ties it to a thread is what its frames
//! remember of the thread. From C's deepest frame outwards these are:
//!
//! - **The switch.** corosensei has saved registers on the stack itself, and takes the way back from whoever resumes it. It keeps
//!   nothing in a thread-local.
//! - **Our frames**, from `callback` to the switch. They find what is the thread's in functions that are never inlined (see
//!   [`here`]), before the stack is left; afterwards they write errno by its value, at the address that it has then.
//!   Frames of ours that would need the thread for longer hold the stack (rule 5).
//! - **The future that C waits for.** [`callback`](crate::callback()) wants it to be `Send`, and its output. One that is not is
//!   refused ([`Refused::NotLocal`]) before it is polled.
//! - **Panics.** None is under way: a thread that unwinds is refused its callbacks. So the standard library's count of panics is zero
//!   for these frames, on either thread.
//! - **errno and the state of C++'s exceptions** are the stack's own (rule 4). Unwinding, which never passes our frames, looks at
//!   nothing but the stack.
//! - **C's frames, and those of the closure and of Rust code under C.** No type tells what they hold. They are the business of
//!   `migratable`'s contract, and only a caller's promise makes them movable. For `suspendable` nothing needs to be promised:
//!   home is one thread.
//! - **The closure and its result**, which `Call` has typed: it is `Send` only if they are.
//!
//! The alarms: [`WayOut::is_open`] is asked before a stack is left, and [`Call::switch`] looks afterwards whether the thread
//! is as it was; if it is not, the process ends there, for a frame that was set aside would be referred to by the thread for good.

use super::home::Home;
use super::run::entered;
use crate::asked::{Answer, Asked};
use crate::callback::{self, Driven};
use crate::config;
use crate::context::{Context, Ground, WayOut};
use crate::error::Refused;
use crate::here;
use crate::label::Label;
use crate::observe::{self, Counted, SpansAside, Tally, gauge};
use crate::panic::{Payload, abort, discard};
use crate::slot::{InPlace, Loose, Marks, ThreadSlot, with_tally};
use crate::stack::{self, Exceptions, Fiber, Job, Left, Stack};
use crate::watchdog;
use std::marker::PhantomPinned;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::task::{self, Poll, Waker};
use std::time::Instant;

/// A call that may be suspended. It lies at the base of its own C stack:
///
/// ```text
///   base ─▶ ┌───────────────────────────┐
///           │ the call                  │
///           ├───────────────────────────┤
///           │ the fiber's words         │
///           │ the job's frames, C       │
/// ```
pub(super) struct Suspendable(NonNull<Call>);

// SAFETY: what keeps this from being `Send` is C's frames and the future that lies among them. Nothing is done with them
// except at `home`: `poll_answer`, `go_on` and `cancel` ask for it before they touch anything. Where home is one thread, they do
// not move. Where it is every thread, they may, as the module's head argues, C's by the promise of whoever called `migratable`. The
// job's types are the business of `super::Call`, which is `Send` only if they are; the panic that the context may hold is. The
// pointers in the context and the way out are to what moves with the call, or are replaced before they are used.
unsafe impl Send for Suspendable {}

impl Suspendable {
    /// # Safety
    ///
    /// `stack` is idle. `label` and what `job` refers to stay where they are until the result is dropped; it is dropped, unless
    /// what they refer to is leaked with it. `job` may be run. If `home` is everywhere, what runs on the stack may move to
    /// another thread whenever it asks for a callback.
    pub(super) unsafe fn new(label: &Label, stack: Stack, job: Job, home: Home) -> Self {
        // SAFETY: the stack is kept beside the fiber, until C has returned or for good.
        let (place, fiber) = unsafe { stack.fiber_below::<Call, _, _>(job) };
        let call = Call {
            // SAFETY: by this function's contract. The ground is put right below.
            context: unsafe { Context::new(label, Ground::ThreadStack, None) },
            way_out: WayOut::new(fiber.suspender(), home == Home::Everywhere),
            fiber,
            stack: ManuallyDrop::new(stack),
            exceptions: Exceptions::NONE,
            home,
            has_slot: true,
            began: Instant::now(),
            aside: None,
            is_through: false,
            _pinned: PhantomPinned,
        };
        // SAFETY: the place is for this, and nobody else's.
        unsafe { place.write(call) };
        let mut this = Self(place);
        let ground = Ground::Suspendable(NonNull::from(&this.way_out));
        // SAFETY: as above; the way out stays where it is.
        this.context = unsafe { Context::new(label, ground, None) };
        this
    }
}

impl Deref for Suspendable {
    type Target = Call;

    fn deref(&self) -> &Call {
        // SAFETY: written by `new`, and there until `drop`.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for Suspendable {
    fn deref_mut(&mut self) -> &mut Call {
        // SAFETY: as above; C's frames refer to parts of it that are shared, and only while C runs.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for Suspendable {
    /// Rules 2 and 3.
    fn drop(&mut self) {
        if self.cancel() {
            // SAFETY: taken once, here; C is through.
            let stack = unsafe { ManuallyDrop::take(&mut self.stack) };
            // SAFETY: nobody uses it any more, and it owns nothing of the stack it lies on.
            unsafe { self.0.drop_in_place() };
            stack::release(stack);
        }
    }
}

/// What is kept of a call.
pub(super) struct Call {
    context: Context,
    way_out: WayOut,
    fiber: Fiber<Answer, Asked>,
    /// Given back when C has returned; until then it is C's.
    stack: ManuallyDrop<Stack>,
    exceptions: Exceptions,
    home: Home,
    has_slot: bool,
    began: Instant,
    /// While the call is suspended.
    aside: Option<Aside>,
    /// Whether C has returned.
    is_through: bool,
    /// The context points to the way out.
    _pinned: PhantomPinned,
}

/// What is to be known of a call that is suspended.
struct Aside {
    /// What C waits for.
    asked: Asked,
    /// Once there is one. Until C goes on with it, it is not asked for again.
    answer: Option<Answer>,
    /// The word of the user's hook.
    word: Option<usize>,
    spans: Option<Box<SpansAside>>,
    _counted: Counted,
}

impl Call {
    /// Polls what C waits for, if anything.
    pub(super) fn poll_answer(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(aside) = &mut self.aside else {
            return Poll::Ready(());
        };
        if aside.answer.is_none() {
            assert!(
                self.home.is_here(),
                "a suspended call was polled on another thread than its own: {}",
                self.context.label(),
            );
            let mut poll = || callback::poll_once(&self.context, &aside.asked, cx);
            aside.answer = match &aside.spans {
                None => poll(),
                Some(spans) => spans.within(poll),
            };
        }
        match aside.answer {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }

    /// Runs C until it has returned or waits. At first, and whenever there is an answer.
    pub(super) fn go_on(
        &mut self,
        thread: Option<&ThreadSlot>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Payload>> {
        let spans = observe::Base::here();
        // What C starts with is nobody's answer.
        let mut answer = self.come_back().unwrap_or(Ok(()));
        self.has_slot = true;
        loop {
            let asked = match self.switch(answer, thread, Some(cx.waker())) {
                Left::Suspended(asked) => asked,
                Left::Returned(outcome) => {
                    return Poll::Ready(self.context.settle_panic(outcome));
                }
            };
            answer = match self.drive(&asked, thread, cx) {
                Driven::Answered(answer) => {
                    with_tally(Tally::callback_without_mark);
                    answer
                }
                Driven::Suspend => {
                    observe::callback_pending(self.context.label(), "the call is suspended");
                    // First, for the hook may panic.
                    let spans = spans.and_then(observe::Base::set_aside);
                    self.aside = Some(Aside {
                        asked,
                        answer: None,
                        word: config::get().on_switch.map(|hook| (hook.leave)()),
                        spans,
                        _counted: Counted::new(&gauge::SUSPENDED_CALLS),
                    });
                    return Poll::Pending;
                }
            };
        }
    }

    fn drive(
        &self,
        asked: &Asked,
        thread: Option<&ThreadSlot>,
        cx: &mut task::Context<'_>,
    ) -> Driven {
        if self.home != Home::Everywhere {
            return callback::drive_or_suspend(&self.context, asked, thread, cx);
        }
        match callback::poll_once(&self.context, asked, cx) {
            Some(answer) => Driven::Answered(answer),
            None => Driven::Suspend,
        }
    }

    /// Goes to C, and comes back when it waits or has returned.
    fn switch(
        &mut self,
        answer: Answer,
        thread: Option<&ThreadSlot>,
        task_waker: Option<&Waker>,
    ) -> Left<Asked> {
        // SAFETY: the waker outlives this function.
        unsafe { self.way_out.prepare(task_waker) };
        let marks = thread.and_then(ThreadSlot::marks);
        self.exceptions.exchange();
        marks.inspect(|marks| marks.enter_c_uncounted());
        let left = here::with(|here| {
            // SAFETY: the context stays where it is, and the guard drops below.
            let _entered = unsafe { self.context.enter(here) };
            entered(marks);
            let loose = Loose::enter(here);
            // SAFETY: C has not returned, and this is its home. What the job borrows is there by the contract of `new`.
            let left = unsafe { self.fiber.resume(answer) };
            let is_clear = loose.is_clear() && self.context.is_entered(here);
            if matches!(left, Left::Suspended(_)) && !is_clear {
                abort("a C stack was set aside while its thread refers to it");
            }
            left
        });
        let has_slot = marks.is_none_or(Marks::enter_rust);
        self.exceptions.exchange();
        self.is_through = matches!(left, Left::Returned(_));
        if self.is_through {
            let mode = self.context.label().manner.call_mode();
            observe::call_duration(mode).record(self.began.elapsed());
        }
        self.has_slot &= has_slot;
        left
    }

    /// Makes the call ready to be resumed; what C gets, if it waits.
    fn come_back(&mut self) -> Option<Answer> {
        let aside = self.aside.take()?;
        with_tally(|tally| {
            tally.callback_without_mark();
            tally.callback_waited();
        });
        stack::prepare_thread();
        if let (Some(hook), Some(word)) = (config::get().on_switch, aside.word) {
            (hook.enter)(word);
        }
        aside.spans.inspect(|spans| spans.enter());
        Some(aside.answer.unwrap_or(Err(Refused::Cancelled)))
    }

    /// Has C return, if it is suspended. Whether it has, now or before.
    fn cancel(&mut self) -> bool {
        if self.is_through {
            return true;
        }
        // C that is not suspended was left in its midst because a hook of the user's has panicked.
        if self.aside.is_none() || !self.home.is_here() {
            self.aside = None;
            observe::leaked_stack(self.context.label());
            watchdog::forget(self.context.label().address());
            return false;
        }
        self.context.cancel();
        let _in_flight = InPlace::enter();
        let answer = self.come_back().expect("it is suspended");
        let Left::Returned(outcome) = self.switch(answer, None, None) else {
            abort("a cancelled call was suspended again");
        };
        watchdog::ended(self.context.label().address());
        if let Some(payload) = self.context.settle_panic(outcome) {
            discard(payload);
        }
        true
    }

    /// Whether the thread still has the slot that it had when C went on last.
    pub(super) fn has_slot(&self) -> bool {
        self.has_slot
    }
}
