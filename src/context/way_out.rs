//! The way from a C stack that may be set aside to its task.

use crate::asked::{Answer, Asked};
use crate::here::Here;
use crate::slot::{self, Imprint};
use crate::stack::Suspender;
use std::cell::Cell;
use std::ptr::NonNull;
use std::task::Waker;

/// Of one call. What C runs by, a poll or a drop, leaves word here each time before it goes to C.
pub(crate) struct WayOut {
    suspender: Suspender<Answer, Asked>,
    changes_threads: bool,
    /// Of the poll; `None` in a drop, when nothing is polled.
    task_waker: Cell<Option<NonNull<Waker>>>,
    imprint: Cell<Option<Imprint>>,
}

impl WayOut {
    pub(crate) fn new(suspender: Suspender<Answer, Asked>, changes_threads: bool) -> Self {
        Self {
            suspender,
            changes_threads,
            task_waker: Cell::new(None),
            imprint: Cell::new(None),
        }
    }

    /// Whether another thread may go on with the call.
    pub(crate) fn changes_threads(&self) -> bool {
        self.changes_threads
    }

    /// The calling thread is about to go to C.
    ///
    /// # Safety
    ///
    /// The waker stays where it is until C is left.
    pub(crate) unsafe fn prepare(&self, task_waker: Option<&Waker>) {
        self.task_waker.set(task_waker.map(NonNull::from));
        self.imprint.set(Some(Imprint::current()));
    }

    /// Whether the stack may be left. Asked on that stack.
    ///
    /// It may not if there is something on it by which the thread, or tokio in the thread's name, refers to it: a poll of a
    /// call or of a scope, a runtime that was entered, a task.
    pub(crate) fn is_open(&self, here: &Here) -> bool {
        slot::is_loose(here) && self.imprint.get() == Some(Imprint::current())
    }

    /// The waker of the poll that C runs in.
    ///
    /// # Safety
    ///
    /// C has not been left since.
    pub(crate) unsafe fn task_waker(&self) -> &Waker {
        let waker = self
            .task_waker
            .get()
            .expect("nothing is polled in a drop, where all is refused");
        // SAFETY: by the contract of `prepare`.
        unsafe { waker.as_ref() }
    }

    /// Leaves the stack until the task has an answer; the thread may be another one then.
    ///
    /// # Safety
    ///
    /// The caller runs on this call's C stack, and it [is open](Self::is_open).
    pub(crate) unsafe fn leave(&self, asked: Asked) -> Answer {
        // SAFETY: by this function's contract.
        unsafe { self.suspender.suspend(asked) }
    }
}
