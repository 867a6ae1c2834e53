//! The life of what a token stands for: one atomic word that says whether it may be used, and by how many it is.
//!
//! ```text
//!   63          32 31 30 29         0
//!  ├──────────────┼─────┼────────────┤    vacant ──begin──▶ live ──end──▶ ending ──last leave, vacate──▶ vacant,
//!  │  generation  │state│  holders   │    00, 0             01, n         10, n                          next generation
//!  └──────────────┴─────┴────────────┘
//! ```
//!
//! # Who touches the value that belongs to the word
//!
//! 1. *Holders* share it: those whose [`enter`](Life::enter) was admitted, until their [`leave`](Life::leave). Only a live
//!    word of the caller's own generation admits.
//! 2. [`end`](Life::end) succeeds once a generation. From then on nobody is admitted: `holders` only falls.
//! 3. Whoever brings the word to *ending with no holder* has the value to itself: the `end` that finds none
//!    ([`Ended::Vacate`]), else the last `leave` ([`Left::Last`]). It takes the value out, then calls
//!    [`vacate`](Life::vacate).
//! 4. A vacant word is begun by whoever was given the place: one at a time, by the free list.
//! 5. The generation never returns: a place whose generations are used up is not used again. So a word that shows another
//!    generation than a token's tells for good that the token is stale.
//!
//! `enter`, `leave` and `end` take no lock and wait for nobody: a `compare_exchange` that fails has lost against another
//! thread that got on. `integration-tests/tests/token_loom.rs` runs this file through every interleaving.

use crate::sync::{AtomicU64, Ordering};

const LIVE: u64 = 1 << 30;
const ENDING: u64 = 1 << 31;
const HOLDERS: u64 = LIVE - 1;
const GENERATION_SHIFT: u32 = 32;

/// What a holder-to-be is told.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Admitted,
    /// It has ended, or was never begun.
    Ended,
    /// There are as many holders as can be counted. They must have been forgotten: no process has so many threads.
    Crowded,
}

/// What a holder that leaves is told.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// The value lives on.
    Live,
    /// The value is ending; others hold it still.
    Ending,
    /// The value is ending, and the caller's to take out (rule 3).
    Last,
}

/// What the one who ends it is told.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nobody holds the value: it is the caller's to take out (rule 3).
    Vacate,
    /// The last of its holders takes it out.
    Held,
    /// It had ended before, or was never begun.
    Already,
}

/// The word.
#[derive(Debug)]
pub(crate) struct Life(AtomicU64);

fn generation_of(word: u64) -> u32 {
    (word >> GENERATION_SHIFT) as u32
}

impl Life {
    /// Vacant, of generation zero.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn generation(&self) -> u32 {
        generation_of(self.0.load(Ordering::Relaxed))
    }

    /// Makes the value usable. Called by the one who was given the place (rule 4), when the value is in it. Returns the
    /// generation.
    pub(crate) fn begin(&self) -> u32 {
        let vacant = self.0.load(Ordering::Relaxed);
        debug_assert_eq!(vacant & (LIVE | ENDING | HOLDERS), 0, "begun twice");
        self.0.store(vacant | LIVE, Ordering::Release);
        generation_of(vacant)
    }

    /// Admits one more holder.
    #[inline]
    pub(crate) fn enter(&self, generation: u32) -> Admission {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if generation_of(word) != generation || word & LIVE == 0 {
                return Admission::Ended;
            }
            if word & HOLDERS == HOLDERS {
                return Admission::Crowded;
            }
            // Acquire: the value that was put in before `begin`.
            match self
                .0
                .compare_exchange_weak(word, word + 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Admission::Admitted,
                Err(now) => word = now,
            }
        }
    }

    /// A holder leaves, once.
    #[inline]
    pub(crate) fn leave(&self) -> Left {
        // Release: what the holder did with the value; acquire: what the others did, for the last.
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        debug_assert_ne!(before & HOLDERS, 0, "left more often than entered");
        if before & LIVE != 0 {
            Left::Live
        } else if before & HOLDERS == 1 {
            Left::Last
        } else {
            Left::Ending
        }
    }

    /// Admits nobody from here on.
    pub(crate) fn end(&self, generation: u32) -> Ended {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if generation_of(word) != generation || word & LIVE == 0 {
                return Ended::Already;
            }
            let ending = word ^ (LIVE | ENDING);
            match self
                .0
                .compare_exchange_weak(word, ending, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if ending & HOLDERS == 0 => return Ended::Vacate,
                Ok(_) => return Ended::Held,
                Err(now) => word = now,
            }
        }
    }

    /// The value was taken out, by the one who had it to itself. `false` if the place is used up (rule 5): `last` is the
    /// last generation that a token can tell.
    #[must_use]
    pub(crate) fn vacate(&self, last: u32) -> bool {
        let generation = self.generation();
        let next = u64::from(generation + 1) << GENERATION_SHIFT;
        self.0.store(next, Ordering::Release);
        generation < last
    }

    /// How many hold the value of this generation; `None` once it is gone.
    pub(crate) fn holders(&self, generation: u32) -> Option<u32> {
        let word = self.0.load(Ordering::Acquire);
        (generation_of(word) == generation).then_some((word & HOLDERS) as u32)
    }

    /// Whether there is or was a value of this generation.
    pub(crate) fn has_begun(&self, generation: u32) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        let now = generation_of(word);
        generation < now || (generation == now && word & (LIVE | ENDING) != 0)
    }
}
