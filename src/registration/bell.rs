//! How the reader of a stream is woken by threads that may take no lock.
//!
//! ```text
//!                 reader finds the queue empty           C has put an event in
//!      QUIET ────────────────────────────────▶ WAITING ────────────────────────▶ RUNG
//!        ▲                                        │ reader looks again,             │
//!        ├────────────────────────────────────────┘ and finds something             │
//!        └──────────────────────────────────────────────────────────────────────────┘
//!                        the notifier's thread has seen it, and wakes the reader
//! ```
//!
//! # Rules
//!
//! 1. The reader leaves its waker where the notifier finds it, then stores `WAITING`, then looks at the queue *again*: what
//!    was put in before the store it sees, and who puts something in after it sees `WAITING`.
//! 2. Who has put something in passes a full fence and loads the word. `WAITING`, it turns that into `RUNG` and has the
//!    notifier unparked: one of all that see it, once for each time that the reader waits.
//! 3. The notifier turns `RUNG` into `QUIET` and wakes. A reader that waits anew in between, for whatever reason, has written over
//!    `RUNG` and by rule 1 looks at the queue itself.
//!
//! `integration-tests/tests/bell_loom.rs` runs this file through every interleaving.

use crate::sync::{AtomicU32, Ordering, fence};

const QUIET: u32 = 0;
const WAITING: u32 = 1;
const RUNG: u32 = 2;

/// The word.
#[derive(Debug)]
pub(crate) struct Bell(AtomicU32);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(QUIET))
    }

    /// Reader: is about to wait. To be followed by a look at the queue.
    pub(crate) fn wait(&self) {
        self.0.store(WAITING, Ordering::Relaxed);
        // With that of `ring`: either that one loads `WAITING`, or what was put in before it is there to be seen.
        fence(Ordering::SeqCst);
    }

    /// Reader: does not wait after all.
    pub(crate) fn quiet(&self) {
        // One that has rung meanwhile has the reader woken for nothing, or not at all if this comes first.
        self.0.store(QUIET, Ordering::Relaxed);
    }

    /// After something was put in. `true`: have the notifier look.
    #[inline]
    #[must_use]
    pub(crate) fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) == WAITING
            && self
                .0
                .compare_exchange(WAITING, RUNG, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Notifier: whether to wake the reader.
    #[must_use]
    pub(crate) fn has_rung(&self) -> bool {
        self.0
            .compare_exchange(RUNG, QUIET, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}
