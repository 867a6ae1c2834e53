//! Calls in flight that no lent stack tells of.

use super::thread::with_tally;
use crate::observe::Tally;

/// A call runs on this thread, on a stack that the thread has not lent. Until this drops, be it on another thread.
#[must_use]
pub(crate) struct InPlace(());

impl InPlace {
    pub(crate) fn enter() -> Self {
        with_tally(Tally::enter);
        Self(())
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        with_tally(Tally::leave);
    }
}
