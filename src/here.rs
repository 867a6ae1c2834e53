//! What the crate keeps for a thread, within reach of one access.
//!
//! To find a thread-local is, for code that does not know whether it will be part of a shared library, as much as a call:
//! everything in registers is saved. So a call finds it once, and hands it on.
//!
//! On a C stack that may be resumed on another thread the address is good only until the stack is left. A compiler does not
//! know that it changes, and may find it once for a whole function, with all that is inlined there. So a callback, which such a
//! stack carries, finds it in functions that are never inlined, and has no use for it after a point where they may be left.
//! (A poll of a call finds it where that is inlined: `migratable`'s contract speaks of executors on such a stack.)
//!
//! Each field belongs to the module that is named beside it, which alone gives it its type, and takes back what it points to
//! before that goes.

use std::cell::Cell;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

pub(crate) struct Here {
    /// `slot`: the thread's own slot, or null.
    pub(crate) slot: Cell<*const ()>,
    /// `stack`: the thread's idle stacks, or null.
    pub(crate) stacks: Cell<*const ()>,
    /// What the calls in progress change.
    pub(crate) shown: Shown,
    /// `slot::footing`: what the running code stands on.
    pub(crate) footing: Cell<Footing>,
}

/// What other threads may look at, for as long as this one runs. It alone writes, with plain stores.
pub(crate) struct Shown {
    /// `context`: the call whose C frames are below, or null. Its first word points to its [`Label`](crate::label::Label).
    call: AtomicPtr<()>,
    /// `stack`: how many of the thread's idle stacks are lent. Here, because it is written when `call` is.
    lent: AtomicUsize,
}

impl Shown {
    const fn new() -> Self {
        Self {
            call: AtomicPtr::new(null_mut()),
            lent: AtomicUsize::new(0),
        }
    }

    #[inline(always)]
    pub(crate) fn call(&self) -> *const () {
        self.call.load(Ordering::Relaxed)
    }

    /// The same, for another thread.
    pub(crate) fn call_from_outside(&self) -> *const () {
        self.call.load(Ordering::Acquire)
    }

    /// Whatever was written to the call before is seen by who sees the call.
    #[inline(always)]
    pub(crate) fn set_call(&self, call: *const ()) {
        self.call.store(call.cast_mut(), Ordering::Release);
    }

    #[inline(always)]
    pub(crate) fn replace_call(&self, call: *const ()) -> *const () {
        let before = self.call();
        self.set_call(call);
        before
    }

    #[inline(always)]
    pub(crate) fn lent(&self) -> usize {
        self.lent.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn set_lent(&self, lent: usize) {
        self.lent.store(lent, Ordering::Relaxed);
    }
}

/// What code runs on, as far as it may find itself on another thread at its next instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Footing {
    /// A stack that stays with its thread until what runs on it has returned.
    Firm,
    /// A C stack that may be set aside. Nothing of ours on it refers to the thread.
    Loose,
    /// The same stack, which must stay now: a poll of ours on it holds on to the thread.
    Held,
}

thread_local! {
    /// Has no destructor, so it is there for as long as the thread runs any code.
    static HERE: Here = const {
        Here {
            slot: Cell::new(null()),
            stacks: Cell::new(null()),
            shown: Shown::new(),
            footing: Cell::new(Footing::Firm),
        }
    };
}

/// Lends the calling thread's.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(&Here) -> R) -> R {
    // Two steps, or else `f` would be called by `with`, out of line.
    let here = HERE.with(std::ptr::from_ref);
    // SAFETY: the thread-local is there for as long as the thread runs, which is longer than `f` does.
    f(unsafe { &*here })
}
