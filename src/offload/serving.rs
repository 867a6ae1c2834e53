//! Whose callback the thread is polling: a call that is offloaded from there may go to the thread that waits for it.
//!
//! # Rules
//!
//! 1. While the task polls what a C thread waits for, that thread stands in the list, innermost last. A call to the same home
//!    (the same lane; the pool, if it is the pool's thread) is its errand, whichever of them is innermost.
//! 2. The list holds its entries, so an entry that is out of place (frames that were set aside in the midst of a poll) leads to
//!    a refusal by the call's life, not to a dangling pointer.

use crate::lane::{Job, LaneId};
use std::cell::RefCell;
use std::sync::Arc;

/// Where calls are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// The blocking threads of a runtime, or threads outside of any.
    Pool,
    Lane(LaneId),
}

/// A call whose C thread waits for a callback.
pub(super) trait Served {
    fn home(&self) -> Home;
    /// Gives the C thread an errand. Gives it back if that thread does not wait.
    fn serve(&self, errand: Arc<dyn Job>) -> Result<(), Arc<dyn Job>>;
}

thread_local! {
    static SERVED: RefCell<Vec<Arc<dyn Served>>> = const { RefCell::new(Vec::new()) };
}

/// Takes the call off the list on drop.
#[must_use]
pub(super) struct Serving(usize);

impl Serving {
    /// The callback of this call is polled from here on.
    pub(super) fn enter(call: Arc<dyn Served>) -> Self {
        let depth = SERVED.try_with(|served| {
            let mut served = served.borrow_mut();
            served.push(call);
            served.len() - 1
        });
        Self(depth.unwrap_or(usize::MAX))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let next = || {
            let next = SERVED.try_with(|served| {
                let mut served = served.borrow_mut();
                (self.0 < served.len()).then(|| served.pop())
            });
            next.ok().flatten().flatten()
        };
        // Not under the borrow: the last reference drops what a user has put there.
        while let Some(call) = next() {
            drop(call);
        }
    }
}

/// Makes the job an errand of the C thread that waits for what is being polled, if there is one of that home.
pub(super) fn offer(home: Home, mut job: Arc<dyn Job>) -> Result<(), Arc<dyn Job>> {
    let served: Vec<_> = SERVED
        .try_with(|served| {
            let served = served.borrow();
            let same_home = served.iter().rev().filter(|call| call.home() == home);
            same_home.cloned().collect()
        })
        .unwrap_or_default();
    for call in served {
        match call.serve(job) {
            Ok(()) => return Ok(()),
            Err(back) => job = back,
        }
    }
    Err(job)
}
