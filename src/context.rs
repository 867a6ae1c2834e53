//! The running call: what the Rust code under C finds of it.
//!
//! Each call has a [`Context`], and while the thread runs on the call's C stack a thread-local points to it. It points to
//! nothing, or to an outer call, while the thread runs anywhere else: the pointer follows the stack that the thread is
//! *physically* on, through every nesting. So a callback always reaches the call whose C frames are right below it, and
//! a future that is polled for a callback does not take itself for code under C.
//!
//! # Rules
//!
//! 1. The context outlives every moment at which the thread-local points to it.
//! 2. The C side calls the driver on the spot, or writes `asked` and then suspends; the task side takes `asked`, writes
//!    `answer`, and resumes. Neither touches the context while the other runs.
//! 3. The first panic is kept; it and a cancellation refuse every later callback before it reaches the task side.

use crate::callback::Asked;
use crate::error::Refused;
use crate::panic::{self, Payload};
use crate::stack::Suspender;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::ptr::{NonNull, null};
use std::task::Waker;

thread_local! {
    static CURRENT: Cell<*const Context> = const { Cell::new(null()) };
}

/// What a call is known by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) name: Option<&'static str>,
    pub(crate) location: &'static Location<'static>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{name} ({})", self.location),
            None => self.location.fmt(f),
        }
    }
}

/// Where C runs, and so how a callback reaches the task side.
#[derive(Clone, Copy)]
pub(crate) enum Ground {
    /// On a C stack, which the task's has called: the future is polled there. With the waker of the poll that C runs in.
    CStack(Suspender, NonNull<Waker>),
    /// On a C stack that may be set aside: it is left for the task's.
    Suspendable(Suspender),
    /// On the thread's own stack: the future is polled on top of C's frames. With the waker of the poll that C runs in.
    ThreadStack(NonNull<Waker>),
}

/// One running call.
pub(crate) struct Context {
    /// Not a copy: it was written a moment ago, word by word, and to copy it as a whole would wait for that.
    label: NonNull<Label>,
    ground: Ground,
    asked: Cell<Option<Asked>>,
    answer: Cell<Result<(), Refused>>,
    /// What every callback from here on is refused with.
    refusal: Cell<Option<Refused>>,
    /// The first panic of a callback, until the call raises it.
    panic: Cell<Option<Payload>>,
    outer: Cell<*const Context>,
}

impl Context {
    /// # Safety
    ///
    /// `label` stays where it is for as long as the context lives.
    #[inline(always)]
    pub(crate) unsafe fn new(label: &Label, ground: Ground) -> Self {
        Self {
            label: NonNull::from(label),
            ground,
            asked: Cell::new(None),
            answer: Cell::new(Ok(())),
            refusal: Cell::new(None),
            panic: Cell::new(None),
            outer: Cell::new(null()),
        }
    }

    #[inline]
    pub(crate) fn label(&self) -> &Label {
        // SAFETY: by the contract of `new`.
        unsafe { self.label.as_ref() }
    }

    #[inline]
    pub(crate) fn ground(&self) -> Ground {
        self.ground
    }

    /// Makes this the call that code under C finds, until the guard drops.
    ///
    /// # Safety
    ///
    /// The context stays where it is until the guard has dropped (rule 1), and the guard is dropped, not forgotten.
    #[inline]
    pub(crate) unsafe fn enter(&self) -> Entered<'_> {
        self.outer.set(CURRENT.replace(self));
        Entered(self)
    }

    /// Makes the enclosing call the one that is found, while a future is polled in the time of C's frames.
    #[inline]
    pub(crate) fn step_out(&self) -> SteppedOut {
        SteppedOut(CURRENT.replace(self.outer.get()))
    }

    /// C side: hands a future to the task side and goes there.
    ///
    /// # Safety
    ///
    /// The caller runs on this call's C stack, and what `asked` points to stays there until this returns.
    #[inline]
    pub(crate) unsafe fn suspend_for(
        &self,
        asked: Asked,
        suspender: Suspender,
    ) -> Result<(), Refused> {
        self.asked.set(Some(asked));
        // SAFETY: by this function's contract.
        unsafe { suspender.suspend() };
        self.answer.get()
    }

    /// Task side: what C has asked for.
    #[inline]
    pub(crate) fn take_asked(&self) -> Asked {
        self.asked
            .take()
            .expect("a C stack is left only by `suspend_for`")
    }

    /// Task side: what C is told when it is resumed.
    #[inline]
    pub(crate) fn answer(&self, answer: Result<(), Refused>) {
        self.answer.set(answer);
    }

    /// Why no callback of this call may run, if so.
    #[inline]
    pub(crate) fn refusal(&self) -> Option<Refused> {
        self.refusal.get()
    }

    /// Refuses every callback from here on.
    pub(crate) fn cancel(&self) {
        self.refusal.set(Some(Refused::Cancelled));
    }

    /// Keeps the first panic of a callback for the call to raise.
    #[cold]
    pub(crate) fn keep_panic(&self, payload: Payload) {
        self.refusal
            .set(self.refusal.get().or(Some(Refused::Panicked)));
        let first = match self.panic.take() {
            None => payload,
            Some(first) => {
                panic::discard(payload);
                first
            }
        };
        self.panic.set(Some(first));
    }

    /// Whether no callback has left anything behind, so that there is nothing to settle and nothing to drop.
    #[inline]
    pub(crate) fn is_untouched(&self) -> bool {
        self.refusal.get().is_none()
    }

    /// The panic that the call is to raise now that C is through: the first of its callbacks', or else `own`.
    pub(crate) fn settle_panic(&self, own: Option<Payload>) -> Option<Payload> {
        match (self.panic.take(), own) {
            (Some(first), Some(own)) => {
                panic::discard(own);
                Some(first)
            }
            (first, own) => first.or(own),
        }
    }
}

/// Restores the outer call on drop.
#[must_use]
pub(crate) struct Entered<'a>(&'a Context);

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0.outer.get());
    }
}

/// Restores the inner call on drop.
#[must_use]
pub(crate) struct SteppedOut(*const Context);

impl Drop for SteppedOut {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Lends the call whose C frames are below the caller.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&Context>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: null or, by rule 1, the context of a call that cannot end before its C frames return to it; the caller is
    // above those frames, and so is everything that `f` does.
    f(unsafe { current.as_ref() })
}

/// Writes the running call's name and place. Called by a signal handler: it only reads and passes on.
pub(crate) fn describe(write: &mut dyn FnMut(&[u8])) {
    with_current(|context| match context {
        None => write(b"(none)"),
        Some(context) => {
            let label = context.label();
            write(b"`");
            write(label.name.unwrap_or("(unnamed)").as_bytes());
            write(b"` (");
            write(label.location.file().as_bytes());
            write(b":");
            write_decimal(label.location.line(), write);
            write(b")");
        }
    });
}

fn write_decimal(number: u32, write: &mut dyn FnMut(&[u8])) {
    let mut digits = [0; 10];
    let mut rest = number;
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    write(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 4_294_967_295] {
            let mut text = Vec::new();
            write_decimal(number, &mut |bytes| text.extend_from_slice(bytes));
            assert_eq!(text, number.to_string().into_bytes());
        }
    }
}
