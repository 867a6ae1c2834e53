//! `Machine` wherever there is no other one: each call is a fiber's whole life.

use crate::stack::slab::Region;
use crate::stack::{Fiber, Job, Left, Outcome, Suspender};
use std::cell::Cell;

/// Nothing passes between the two sides: this fiber is never suspended.
type Through = Fiber<(), ()>;

pub(in crate::stack) struct Machine {
    base: usize,
    limit: usize,
    /// Of the job that runs.
    suspender: Cell<Option<Suspender<(), ()>>>,
}

impl Machine {
    pub(in crate::stack) fn new(region: &Region) -> Self {
        Self {
            base: region.base(),
            limit: region.limit(),
            suspender: Cell::new(None),
        }
    }

    /// Runs `job` on this stack, and returns when it has returned.
    ///
    /// # Safety
    ///
    /// This stack is there and idle. `job` may be run.
    pub(in crate::stack) unsafe fn call(&self, job: Job) -> Outcome {
        // SAFETY: by this function's contract.
        let mut fiber = unsafe { Through::new(self.base, self.limit, job) };
        self.suspender.set(Some(fiber.suspender()));
        // SAFETY: it has not run.
        let left = unsafe { fiber.resume(()) };
        self.suspender.set(None);
        match left {
            Left::Returned(outcome) => outcome,
            Left::Suspended(()) => unreachable!("`call_below` does not suspend"),
        }
    }

    /// Runs `job` on the stack that has called this one, and returns when it has returned.
    ///
    /// # Safety
    ///
    /// The caller runs on this stack, under [`call`](Self::call). `job` may be run.
    pub(in crate::stack) unsafe fn call_below(&self, job: Job) -> Outcome {
        let suspender = self
            .suspender
            .get()
            .expect("set by the `call` that we are under");
        // SAFETY: by this function's contract.
        unsafe { suspender.call_below(job) }
    }
}
