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
//! 2. The C side calls the task side on the spot, or suspends with what it asks and is resumed with the answer. Neither
//!    touches the context while the other runs.
//! 3. The first panic is kept; it and a cancellation refuse every later callback before it reaches the task side.

mod lent;
mod way_out;

pub(crate) use lent::{find, lend};
pub(crate) use way_out::WayOut;

use crate::asked::Answer;
use crate::asked::Posted;
use crate::error::Refused;
use crate::here::{self, Here};
use crate::label::Label;
use crate::observe::Seen;
use crate::panic::{self, Payload};
use crate::stack::{Below, Outcome};
use std::cell::{Cell, OnceCell};
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null};
use std::sync::atomic::{Ordering, compiler_fence};
use std::task::Waker;

/// Where C runs, and so how a callback reaches the task side.
#[derive(Clone, Copy)]
pub(crate) enum Ground {
    /// On a C stack, which the task's has called: the future is polled there.
    CStack(Below),
    /// On a C stack that may be set aside: it is left for the task's. Stays where it is for as long as the context lives.
    Suspendable(NonNull<WayOut>),
    /// On the thread's own stack: the future is polled on top of C's frames.
    ThreadStack,
    /// On another thread than the task's: the future is posted to the task. Stays where it is for as long as the context lives.
    Elsewhere(NonNull<Away>),
}

/// The way to a task that is on another thread.
pub(crate) trait Elsewhere {
    /// C side: has the task poll the future, and waits until it is through with it.
    fn ask(&self, context: &Context, posted: Posted) -> Answer;
}

/// An [`Elsewhere`], in one word less.
pub(crate) struct Away(NonNull<dyn Elsewhere>);

impl Away {
    /// # Safety
    ///
    /// `task` stays where it is for as long as the result is used.
    pub(crate) unsafe fn new(task: &(dyn Elsewhere + 'static)) -> Self {
        Self(task.into())
    }

    pub(crate) fn ask(&self, context: &Context, posted: Posted) -> Answer {
        // SAFETY: by the contract of `new`.
        unsafe { self.0.as_ref() }.ask(context, posted)
    }
}

/// One running call.
#[repr(C)]
pub(crate) struct Context {
    /// Not a copy: it was written a moment ago, word by word, and to copy it as a whole would wait for that.
    ///
    /// The first field, for those who see from outside where a context lies ([`Shown`](crate::here::Shown)).
    label: NonNull<Label>,
    /// The ground of nearly every call, [`Ground::CStack`]. To write one word is all that it takes to make it known.
    below: Option<Below>,
    /// Another ground: written if, and only if, `below` is not.
    otherwise: MaybeUninit<Ground>,
    /// Of the poll that C runs in, unless C is left and resumed by another one.
    task_waker: Option<NonNull<Waker>>,
    /// What few calls have. For the others it is one word to write.
    extras: OnceCell<Box<Extras>>,
    /// What the thread-local pointed to before.
    outer: Cell<*const ()>,
}

const _: () = assert!(std::mem::offset_of!(Context, label) == 0);

#[derive(Default)]
struct Extras {
    /// What every callback from here on is refused with.
    refusal: Cell<Option<Refused>>,
    /// The first panic of a callback, until the call raises it.
    panic: Cell<Option<Payload>>,
    /// What is lent to C on this call's stack.
    lent: lent::List,
    /// Who looks at the call.
    seen: Cell<Option<NonNull<Seen>>>,
}

impl Context {
    /// # Safety
    ///
    /// `label` and `task_waker` stay where they are for as long as the context lives.
    #[inline(always)]
    pub(crate) unsafe fn new(label: &Label, ground: Ground, task_waker: Option<&Waker>) -> Self {
        let (below, otherwise) = match ground {
            Ground::CStack(below) => (Some(below), MaybeUninit::uninit()),
            otherwise => (None, MaybeUninit::new(otherwise)),
        };
        Self {
            label: NonNull::from(label),
            below,
            otherwise,
            task_waker: task_waker.map(NonNull::from),
            extras: OnceCell::new(),
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
        match self.below {
            Some(below) => Ground::CStack(below),
            // SAFETY: written by `new`.
            None => unsafe { self.otherwise.assume_init() },
        }
    }

    /// Whether another thread may go on with C, after a callback.
    #[inline]
    pub(crate) fn changes_threads(&self) -> bool {
        self.below.is_none() && self.may_be_left_to_another_thread()
    }

    #[cold]
    fn may_be_left_to_another_thread(&self) -> bool {
        match self.ground() {
            // SAFETY: it is there as long as the context.
            Ground::Suspendable(way) => unsafe { way.as_ref() }.changes_threads(),
            Ground::CStack(_) | Ground::ThreadStack | Ground::Elsewhere(_) => false,
        }
    }

    /// The waker of the poll that C runs in. Not to be asked for where C is left and resumed by another one.
    #[inline]
    pub(crate) fn task_waker(&self) -> &Waker {
        let waker = self.task_waker.expect("of a call that is not set aside");
        // SAFETY: by the contract of `new`.
        unsafe { waker.as_ref() }
    }

    /// The call that was found where this one was entered.
    #[inline]
    fn outer(&self) -> Option<&Context> {
        // SAFETY: null, or by rule 1 the context of a call that is found again when this one is left.
        unsafe { self.outer.get().cast::<Context>().as_ref() }
    }

    /// Makes this the call that code under C finds, until the guard drops.
    ///
    /// # Safety
    ///
    /// The context stays where it is until the guard has dropped (rule 1), and the guard is dropped, not forgotten.
    #[inline]
    pub(crate) unsafe fn enter<'a>(&'a self, here: &'a Here) -> Entered<'a> {
        self.outer
            .set(here.shown.replace_call(std::ptr::from_ref(self).cast()));
        Entered {
            here,
            context: self,
        }
    }

    /// Whether this is the call that code under C finds now.
    pub(crate) fn is_entered(&self, here: &Here) -> bool {
        std::ptr::eq(here.shown.call().cast(), self)
    }

    /// Makes the enclosing call the one that is found, while a future is polled in the time of C's frames.
    #[inline]
    pub(crate) fn step_out<'a>(&self, here: &'a Here) -> SteppedOut<'a> {
        SteppedOut {
            here,
            inner: here.shown.replace_call(self.outer.get()),
        }
    }

    /// Why no callback of this call may run, if so.
    #[inline]
    pub(crate) fn refusal(&self) -> Option<Refused> {
        self.extras.get().and_then(|extras| extras.refusal.get())
    }

    /// Has the call's callbacks looked at.
    ///
    /// # Safety
    ///
    /// `seen` stays where it is for as long as the context lives.
    pub(crate) unsafe fn show(&self, seen: &Seen) {
        self.extras().seen.set(Some(seen.into()));
    }

    /// Who looks at the call, if anybody.
    pub(crate) fn seen(&self) -> Option<&Seen> {
        let seen = self.extras.get()?.seen.get()?;
        // SAFETY: by the contract of `show`.
        Some(unsafe { seen.as_ref() })
    }

    /// Refuses every callback from here on.
    pub(crate) fn cancel(&self) {
        self.extras().refusal.set(Some(Refused::Cancelled));
    }

    /// Keeps the first panic of a callback for the call to raise.
    #[cold]
    pub(crate) fn keep_panic(&self, payload: Payload) {
        let Extras { refusal, panic, .. } = self.extras();
        refusal.set(refusal.get().or(Some(Refused::Panicked)));
        let first = match panic.take() {
            None => payload,
            Some(first) => {
                panic::discard(payload);
                first
            }
        };
        panic.set(Some(first));
    }

    #[cold]
    fn extras(&self) -> &Extras {
        self.extras.get_or_init(Box::default)
    }

    /// Whether no callback has left anything behind, so that there is nothing to settle and nothing to drop.
    #[inline]
    pub(crate) fn is_untouched(&self) -> bool {
        self.extras.get().is_none()
    }

    /// The panic that the call is to raise now that C is through: the first of its callbacks', or else its `own`.
    #[cold]
    pub(crate) fn settle_panic(&self, own: Outcome) -> Option<Payload> {
        let first = self.extras.get().and_then(|extras| extras.panic.take());
        match (first, own.into_panic()) {
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
pub(crate) struct Entered<'a> {
    here: &'a Here,
    context: &'a Context,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        self.here.shown.set_call(self.context.outer.get());
        // Whoever has seen the call there finds it gone before anything else is written where it was, or asked about it.
        compiler_fence(Ordering::SeqCst);
    }
}

/// Restores the inner call on drop.
#[must_use]
pub(crate) struct SteppedOut<'a> {
    here: &'a Here,
    inner: *const (),
}

impl Drop for SteppedOut<'_> {
    #[inline]
    fn drop(&mut self) {
        self.here.shown.set_call(self.inner);
    }
}

/// Lends the call whose C frames are below the caller.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&Context>) -> R) -> R {
    here::with(|here| f(current(here)))
}

/// The call whose C frames are below the caller.
#[inline(always)]
pub(crate) fn current(here: &Here) -> Option<&Context> {
    // SAFETY: null or, by rule 1, the context of a call that cannot end before its C frames return to it; the caller is
    // above those frames, and so is everybody who was lent `here`.
    unsafe { here.shown.call().cast::<Context>().as_ref() }
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
