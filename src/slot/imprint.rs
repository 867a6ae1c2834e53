//! What tokio keeps for a thread while it runs something.

use tokio::runtime::{self, Handle};
use tokio::task;

/// Which runtime and which task tokio takes for the running ones on a thread.
///
/// tokio refers to both by way of thread-locals that point into the frames of whoever runs them. If they are not the same at
/// two moments, frames have come to be in between that the thread must not be deprived of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Imprint {
    runtime: Option<runtime::Id>,
    task: Option<task::Id>,
}

impl Imprint {
    /// Of the calling thread, now. Out of line: it may be another thread the next time.
    #[inline(never)]
    pub(crate) fn current() -> Self {
        Self {
            runtime: Handle::try_current().ok().map(|handle| handle.id()),
            task: task::try_id(),
        }
    }
}
