//! Where a turn of brief calls ends, as two threads know it: the one that makes the calls, and the watchdog.
//!
//! # Rules
//!
//! 1. The owner begins a turn, stores its end, then looks whether the watchdog sleeps (see [`doze`](crate::doze)). Within the turn it
//!    does not look.
//! 2. The watchdog takes the turn back before it sleeps: having said that it is about to sleep, and passed the heavy fence, it sees the end
//!    that the owner has stored, or the owner sees that it sleeps. If there was anything left of the turn, it does not sleep yet.
//! 3. So when it sleeps no turn is under way: the next call begins one, and wakes it.
//!
//! An end that is taken back and stored again at the same time is stored by an owner that looks afterwards.

use crate::sync::{AtomicU64, Ordering};

/// The count of brief calls at which the turn ends.
#[derive(Debug)]
pub(crate) struct TurnEnd(AtomicU64);

impl TurnEnd {
    /// No turn is under way.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Owner: whether there is a call left in the turn, when so many were made.
    #[inline]
    pub(crate) fn is_after(&self, made: u64) -> bool {
        made < self.0.load(Ordering::Relaxed)
    }

    /// Owner: a turn begins, and ends at this count.
    pub(crate) fn set(&self, end: u64) {
        self.0.store(end, Ordering::Release);
    }

    /// Watchdog: ends the turn, when so many were made. Whether there was anything left of it.
    pub(crate) fn take_back(&self, made: u64) -> bool {
        let is_left = self.is_after(made);
        if is_left {
            self.0.store(0, Ordering::Relaxed);
        }
        is_left
    }
}
