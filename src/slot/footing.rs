//! Stacks that may be set aside, and what must not be on them then.
//!
//! While a thread runs on such a stack it has no slot in [`Here`], so that a poll of ours which begins there, because Rust under C
//! drives an executor, comes by [`arrive`](super::thread). The poll holds on to the thread, to its frame and its marks, in frames on
//! that very stack. So from there to its end the stack is *held*: a callback that would have the stack set aside is polled
//! right there instead.
//!
//! ```text
//!   Firm ── Loose::enter ──▶ Loose ── Held::enter ──▶ Held
//!        ◀─ its drop ───────       ◀── its drop ─────
//! ```

use crate::here::{Footing, Here};
use std::ptr::null;

/// The thread runs on a stack that may be set aside, until this drops, on that same thread: it lies below that stack.
#[must_use]
pub(crate) struct Loose<'a> {
    here: &'a Here,
    slot: *const (),
    footing: Footing,
}

impl<'a> Loose<'a> {
    #[inline]
    pub(crate) fn enter(here: &'a Here) -> Self {
        Self {
            here,
            slot: here.slot.replace(null()),
            footing: here.footing.replace(Footing::Loose),
        }
    }

    /// Whether what was on the stack has let go of the thread.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        is_loose(self.here) && self.here.slot.get().is_null()
    }
}

impl Drop for Loose<'_> {
    #[inline]
    fn drop(&mut self) {
        self.here.slot.set(self.slot);
        self.here.footing.set(self.footing);
    }
}

/// Whether the stack that the thread runs on may be set aside now.
#[inline]
pub(crate) fn is_loose(here: &Here) -> bool {
    here.footing.get() == Footing::Loose
}

/// A poll of ours runs on such a stack, or something that the thread refers to lies there, until this drops.
#[must_use]
pub(crate) struct Held<'a>(&'a Here);

impl<'a> Held<'a> {
    /// `None` if there is nothing to hold.
    pub(crate) fn enter(here: &'a Here) -> Option<Self> {
        is_loose(here).then(|| {
            here.footing.set(Footing::Held);
            Self(here)
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.footing.set(Footing::Loose);
        self.0.slot.set(null());
    }
}
