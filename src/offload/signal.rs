//! The signal that ends a system call: which one, and how it gets to a thread and no further.
//!
//! # Rules
//!
//! 1. A signal that has a handler, of whoever's, is not ours. Ours is looked for once a process.
//! 2. It is sent only under the lock of the call's life, while C runs: the thread is there then.
//! 3. `send` returns when the signal is pending on the thread. It is delivered when the thread is next on its way out of the
//!    kernel with the signal unblocked: [`Receiver::settle`] goes there before it puts the thread's mask back.

use crate::config;
use crate::observe;
use crate::sync::{AtomicBool, Ordering};
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::null;
use std::sync::OnceLock;

/// The signal, if there is one.
fn chosen() -> Option<c_int> {
    static CHOSEN: OnceLock<Option<c_int>> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let chosen = match config::get().cancel_signal {
            Some(signal) => install(signal).then_some(signal),
            None => candidates().rev().find(|&signal| install(signal)),
        };
        if chosen.is_none() {
            observe::no_signal();
        }
        chosen
    })
}

/// Whether a signal is to be had.
pub(super) fn is_free() -> bool {
    chosen().is_some()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn candidates() -> std::ops::RangeInclusive<c_int> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// No real-time signals: one has to be chosen.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn candidates() -> std::ops::Range<c_int> {
    0..0
}

/// Makes the signal do nothing but interrupt, if nobody has a use for it. `false` if somebody has.
fn install(signal: c_int) -> bool {
    extern "C" fn nothing(_: c_int) {}

    let Some(now) = action(signal, None) else {
        return false;
    };
    if now.sa_sigaction != libc::SIG_DFL {
        return false;
    }
    let mut ours = now;
    ours.sa_sigaction = nothing as extern "C" fn(c_int) as libc::sighandler_t;
    // Not SA_RESTART. On the alternate stack where the thread has one, since C may be short of its own.
    ours.sa_flags = libc::SA_ONSTACK;
    // SAFETY: the set is there to be written.
    unsafe { libc::sigemptyset(&mut ours.sa_mask) };
    match action(signal, Some(&ours)) {
        None => false,
        Some(before) if before.sa_sigaction == libc::SIG_DFL => true,
        // Somebody was quicker.
        Some(before) => {
            action(signal, Some(&before));
            false
        }
    }
}

/// The signal's action as it was, and a new one. `None` if there is no such signal.
fn action(signal: c_int, new: Option<&libc::sigaction>) -> Option<libc::sigaction> {
    let mut before = MaybeUninit::zeroed();
    let new = new.map_or(null(), |new| new);
    // SAFETY: the new action is null or valid, with a handler that does nothing; there is room for the old one.
    let done = unsafe { libc::sigaction(signal, new, before.as_mut_ptr()) } == 0;
    // SAFETY: zeroed to begin with, which is a valid action, and written if the call succeeded.
    done.then(|| unsafe { before.assume_init() })
}

/// A thread that is about to go to C, and can be signalled there.
pub(super) struct Receiver {
    thread: libc::pthread_t,
    signal: c_int,
    /// Whether it was blocked on this thread before.
    was_blocked: bool,
    is_sent: AtomicBool,
}

impl Receiver {
    /// The calling thread. Unblocks the signal, until [`settle`](Self::settle).
    pub(super) fn current() -> Self {
        let signal = chosen().expect("asked before the policy was accepted");
        Self {
            // SAFETY: may be called at any time.
            thread: unsafe { libc::pthread_self() },
            signal,
            was_blocked: mask(libc::SIG_UNBLOCK, signal),
            is_sent: AtomicBool::new(false),
        }
    }

    /// Sends the signal. To be called while C runs on the thread.
    pub(super) fn send(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
        // SAFETY: C runs on the thread, so it is there.
        unsafe { libc::pthread_kill(self.thread, self.signal) };
    }

    /// On the thread, when nobody sends any more: has what is pending delivered, and the mask as it was (rule 3).
    pub(super) fn settle(&self) {
        if self.is_sent.load(Ordering::Relaxed) {
            mask(libc::SIG_UNBLOCK, self.signal);
        }
        if self.was_blocked {
            mask(libc::SIG_BLOCK, self.signal);
        }
    }
}

/// Changes the calling thread's mask by one signal; whether it was blocked before.
fn mask(how: c_int, signal: c_int) -> bool {
    let mut set = MaybeUninit::uninit();
    // SAFETY: there is room for a set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was just made empty.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    let mut before = MaybeUninit::uninit();
    // SAFETY: the set is initialized, and there is room for the mask as it was.
    let error = unsafe { libc::pthread_sigmask(how, set.as_ptr(), before.as_mut_ptr()) };
    if error != 0 {
        return false;
    }
    // SAFETY: written, since the call succeeded.
    unsafe { libc::sigismember(before.as_ptr(), signal) == 1 }
}
