//! Threads of the crate's own that work for the whole process.

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::thread::{Builder, Thread};

/// Starts such a thread. `None` if the system has none to give.
pub(crate) fn spawn(name: &str, run: fn()) -> Option<Thread> {
    let spawned = without_signals(|| Builder::new().name(name.into()).spawn(run));
    spawned.ok().map(|handle| handle.thread().clone())
}

/// Spawns a thread on which no signal is delivered: the process's handlers run on its own threads.
fn without_signals<R>(spawn: impl FnOnce() -> R) -> R {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set it is given.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: both sets are valid for the access; `all` is initialised.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    let spawned = spawn();
    // SAFETY: the call above initialised `before`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), null_mut()) };
    spawned
}
