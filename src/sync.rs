//! Atomics, fences and locks, behind one set of names.
//!
//! The handshakes of [`slot`](crate::slot), and what else is marked so, use nothing but what this module exports, so that the model checker can
//! compile the very same files against its own atomics (`integration-tests/tests/*_loom.rs`).

mod fence;

pub(crate) use fence::{heavy_fence, heavy_fence_or_wait, light_fence, register_heavy_fence};
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

pub(crate) use std::sync::{Condvar, Mutex};

use std::sync::{MutexGuard, PoisonError};

/// Gives way to the thread whose store we are waiting for.
pub(crate) fn pause() {
    std::thread::yield_now();
}

/// Locks without regard to poisoning: every critical section of the crate leaves its data whole at each step.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a notification, as [`lock`] locks. May return without one.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
