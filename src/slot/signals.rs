//! Which signals a thread blocks. A thread inherits that from the one that starts it; a standby thread may be started in the midst
//! of C, and is not to inherit what C has blocked for its own ends.

use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

/// A thread's signal mask.
#[derive(Clone, Copy)]
pub(super) struct SignalMask(libc::sigset_t);

impl SignalMask {
    /// The calling thread's.
    pub(super) fn current() -> Self {
        let mut mask = MaybeUninit::uninit();
        // SAFETY: without a new mask nothing is changed, and the present one is written.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, null(), mask.as_mut_ptr()) };
        // SAFETY: written by the call above, which fails for an unknown first argument only.
        Self(unsafe { mask.assume_init() })
    }

    /// Makes this the calling thread's.
    pub(super) fn apply(&self) {
        // SAFETY: a mask that the system has written; the former one is not wanted.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, null_mut()) };
    }
}
