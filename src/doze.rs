//! The sleep of a thread that looks at what others do: the monitor, and the watchdog. It may sleep for good only while there is
//! nothing to look at, and the thread that begins something wakes it. For the monitor that is an open frame.
//!
//! # Rules
//!
//! 1. The sleeper stores `asleep`, passes the heavy fence, and looks at everything once more. It blocks only if there is
//!    nothing.
//! 2. A thread that begins something stores what tells of it, passes the light fence, and loads `asleep`. If it is set, the
//!    thread that clears it wakes the sleeper.
//!
//! Either the sleeper sees what was begun or the beginner sees it asleep: nothing goes unwatched, and nobody wakes a
//! sleeper that is awake.

use crate::sync::{AtomicU32, Ordering, heavy_fence};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// Whether the sleeper sleeps.
#[derive(Debug)]
pub(crate) struct Doze(AtomicU32);

impl Doze {
    /// Whoever starts out asleep is started by the first who wakes it.
    pub(crate) const fn asleep_with(word: AtomicU32) -> Self {
        Self(word)
    }

    /// Sleeper: announces sleep (rule 1); the caller then looks once more. `false` if it must stay awake.
    #[must_use]
    pub(crate) fn announce(&self) -> bool {
        self.0.store(ASLEEP, Ordering::Release);
        heavy_fence()
    }

    /// Sleeper: takes the announcement back, having seen something.
    pub(crate) fn retract(&self) {
        self.0.store(AWAKE, Ordering::Release);
    }

    /// Whether the sleeper sleeps, or may go on sleeping.
    pub(crate) fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Acquire) == ASLEEP
    }

    /// Beginner, after its store and the light fence (rule 2): `true` for the one thread that has to wake the sleeper.
    #[inline]
    #[must_use]
    pub(crate) fn rouse(&self) -> bool {
        self.0.load(Ordering::Acquire) == ASLEEP && self.0.swap(AWAKE, Ordering::AcqRel) == ASLEEP
    }
}
