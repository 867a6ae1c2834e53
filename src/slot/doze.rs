//! The monitor's sleep: it may sleep for good only while no frame is open, and the thread that opens one wakes it.
//!
//! # Rules
//!
//! 1. The monitor stores `asleep`, passes the heavy fence, and looks at every mark once more. It blocks only if no
//!    frame is open.
//! 2. A thread that opens a frame stores its mark, passes the light fence, and loads `asleep`. If it is set, the thread
//!    that clears it wakes the monitor.
//!
//! Either the monitor sees the open frame or the opener sees it asleep: no frame goes unwatched, and nobody wakes a
//! monitor that is awake.

use crate::sync::{AtomicU32, Ordering, heavy_fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// Whether the monitor sleeps.
#[derive(Debug)]
pub(crate) struct Doze(AtomicU32);

impl Doze {
    /// The monitor starts out asleep: the first frame starts it.
    pub(crate) const fn asleep_with(word: AtomicU32) -> Self {
        Self(word)
    }

    /// Monitor: announces sleep (rule 1); the caller then looks for open frames. `false` if it must stay awake.
    #[must_use]
    pub(crate) fn announce(&self) -> bool {
        self.0.store(ASLEEP, Ordering::Release);
        heavy_fence()
    }

    /// Monitor: takes the announcement back, having seen an open frame.
    pub(crate) fn retract(&self) {
        self.0.store(AWAKE, Ordering::Release);
    }

    /// Monitor: whether it may go on sleeping.
    pub(crate) fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Acquire) == ASLEEP
    }

    /// Opener, after its mark and the light fence (rule 2): `true` for the one thread that has to wake the monitor.
    #[inline]
    #[must_use]
    pub(crate) fn rouse(&self) -> bool {
        self.0.load(Ordering::Acquire) == ASLEEP && self.0.swap(AWAKE, Ordering::AcqRel) == ASLEEP
    }
}
