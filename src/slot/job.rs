//! What a thread does for a living, found out as well as tokio lets us.

use super::core::{self, Attempt, Way, has_core};
use super::life::Life;
use super::self_test;
use super::thread::ThreadSlot;
use crate::observe;
use std::sync::Arc;
use std::task::Waker;
use tokio::runtime::{Handle, Id, RuntimeFlavor, worker_index};
use tokio::task;

/// What the calling thread's own job is, whatever handle may be entered on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// It holds no slot: a `block_on` thread, a blocking thread, a frame's inside, a thread outside of any runtime.
    WithoutSlot,
    /// It drives a current-thread runtime.
    CurrentThread,
    /// It is a worker and holds its core.
    Worker,
}

/// What was found out about this thread's job.
#[derive(Default)]
pub(super) struct KnownJob {
    /// The worker that this thread runs, as was found with this handle entered.
    pub(super) worker: Option<(Id, usize, Arc<Life>)>,
    /// With this handle entered, in this task, the thread's scheduler declined to let its core go.
    pub(super) declined: Option<(Id, Option<task::Id>)>,
}

impl ThreadSlot {
    /// The runtime and the index of the worker that this thread is, if it is one and holds its core.
    pub(super) fn worker_life(&self) -> Option<(Arc<Life>, usize)> {
        let worker = worker_index()?;
        if !has_core() {
            return None;
        }
        let handle = Handle::try_current().ok()?;
        if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            observe::nothing_to_cede();
            return None;
        }
        if let Some((seen_with, index, life)) = &self.known.borrow().worker {
            if *seen_with == handle.id() && *index == worker && !life.is_closed() {
                return Some((life.clone(), worker));
            }
        }
        self.learn(&handle, worker)
    }

    /// Finds out whether this thread is a worker, and whose: that of the runtime it was found to work for before, if that is
    /// still there, for a thread does not change runtimes; else that of the handle which is entered.
    #[cold]
    fn learn(&self, handle: &Handle, worker: usize) -> Option<(Arc<Life>, usize)> {
        let here = (handle.id(), task::try_id());
        if self.known.borrow().declined == Some(here) {
            return None;
        }
        // Nothing is borrowed here: tokio wakes deferred wakers, which are anybody's code.
        if core::without_core(&Way::Cheap, &mut || ()) == Attempt::Declined {
            self.known.borrow_mut().declined = Some(here);
            return None;
        }
        let known = self.known.borrow().worker.clone();
        let life = match &known {
            Some((_, _, life)) if !life.is_closed() && life.outlook(worker).is_some() => {
                life.clone()
            }
            _ => Life::of(handle),
        };
        let same =
            known.is_some_and(|(_, index, before)| index == worker && Arc::ptr_eq(&before, &life));
        if !same {
            // The standby of the former job serves a worker that this thread is no longer.
            self.record.release_standby();
        }
        self.known.borrow_mut().worker = Some((handle.id(), worker, life.clone()));
        Some((life, worker))
    }

    /// Whether this thread has been seen to work for a multi-thread runtime.
    pub(crate) fn has_been_worker(&self) -> bool {
        self.known.borrow().worker.is_some()
    }

    /// What this thread does for a living.
    pub(crate) fn job(&self) -> Job {
        if worker_index().is_none() || !has_core() {
            Job::WithoutSlot
        } else if self.is_in_frame() || self.worker_life().is_none() {
            // Inside a frame the worker's core is in its cell: the core that is held here is another scheduler's.
            Job::CurrentThread
        } else {
            Job::Worker
        }
    }
}

/// Whether `waker` is that of a spawned task, not one that a combinator or an executor of another kind has put in its place.
pub(crate) fn is_task_waker(waker: &Waker) -> bool {
    self_test::task_waker_vtable().is_some_and(|vtable| std::ptr::eq(vtable, waker.vtable()))
}

/// Whether `waker` tells that the calling thread, which has no frame open, polls a task of a `LocalSet`: the waker of a
/// spawned task, on a thread that drives no scheduler.
pub(crate) fn in_local_set(waker: &Waker) -> bool {
    in_task_without_worker() && is_task_waker(waker)
}

/// Whether a task runs on a thread that is no worker: a `LocalSet`'s, or one that a blocking thread drives.
pub(crate) fn in_task_without_worker() -> bool {
    worker_index().is_none() && task::try_id().is_some()
}
