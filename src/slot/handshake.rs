//! The mark and the claim: how an owner and the monitor agree on who has a slot while a frame is open.
//!
//! # The two words
//!
//! The **mark** is written by the owner alone. It only grows, so that no value ever returns; its lower two bits are the
//! phase, so each transition is an addition:
//!
//! ```text
//!   63          2 1 0
//!  ├─────────────┼───┤     00 closed ──+2──▶ 10 in Rust (even) ──+3──▶ 01 in C (odd) ──+1──▶ 10 in Rust
//!  │   count     │ph │                          │
//!  └─────────────┴───┘     00 closed ◀──+2──────┘
//! ```
//!
//! The **claim** is `FREE`, `CLAIMED` (the monitor is about to decide) or `TAKEN` (the slot of this frame was given
//! away).
//!
//! # Rules
//!
//! 1. Only the owner stores the mark. After each store but that on the way to C, where it has no use for the slot, it
//!    passes the light fence and loads the claim.
//! 2. Only a thread that turned `FREE` into `CLAIMED` decides. It passes the heavy fence, then loads the mark:
//!    unchanged since it was seen, the claim becomes `TAKEN`; changed, it becomes `FREE` again.
//! 3. An owner that loads `CLAIMED` waits for the verdict. It is a few instructions and one system call away.
//! 4. An owner may give its own slot away: `FREE` to `TAKEN` in one step.
//! 5. `TAKEN` lasts as long as the frame: the owner alone turns it into `FREE`, after it has closed the frame.
//!
//! The fences of rules 1 and 2 see to it that either the owner loads the claim or the claimant loads the new mark. So an
//! owner that was told `Kept` on entering Rust is never retaken on the strength of the mark it had in C.
//! `integration-tests/tests/handshake_loom.rs` runs this file through every interleaving.

use crate::sync::{AtomicU32, AtomicU64, Ordering, heavy_fence, light_fence, pause};

const FREE: u32 = 0;
const CLAIMED: u32 = 1;
const TAKEN: u32 = 2;

/// Where the owner of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed,
    InC,
    InRust,
}

/// A step of the owner: what it adds to the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    EnterRust = 1,
    OpenOrClose = 2,
    EnterC = 3,
}

const PHASE_BITS: u64 = 0b11;

/// One value of the mark; equal values mean that the owner has made no transition in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn phase(self) -> Phase {
        match self.0 & PHASE_BITS {
            0b00 => Phase::Closed,
            0b01 => Phase::InC,
            _ => Phase::InRust,
        }
    }
}

/// What the owner learns after a transition.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The slot is the owner's, and stays so until its next transition.
    Kept,
    /// The slot of this frame was given away.
    Lost,
}

/// The two words of one thread.
#[derive(Debug)]
pub(crate) struct Handshake {
    mark: AtomicU64,
    claim: AtomicU32,
}

impl Handshake {
    pub(crate) fn new() -> Self {
        Self {
            mark: AtomicU64::new(0),
            claim: AtomicU32::new(FREE),
        }
    }

    /// Owner: opens a frame, in Rust.
    #[inline]
    pub(crate) fn open(&self) -> Verdict {
        self.step(Phase::Closed, Step::OpenOrClose)
    }

    /// Owner, in Rust: goes to C.
    #[inline]
    pub(crate) fn enter_c(&self) {
        self.advance(Phase::InRust, Step::EnterC);
    }

    /// Owner, in C: is back in Rust.
    #[inline]
    pub(crate) fn enter_rust(&self) -> Verdict {
        self.step(Phase::InC, Step::EnterRust)
    }

    /// Owner, in Rust: closes the frame and makes the claim ready for the next one (rule 5).
    #[inline]
    pub(crate) fn close(&self) -> Verdict {
        let verdict = self.step(Phase::InRust, Step::OpenOrClose);
        if verdict == Verdict::Lost {
            self.claim.store(FREE, Ordering::Release);
        }
        verdict
    }

    #[inline]
    fn advance(&self, from: Phase, step: Step) {
        let now = self.mark.load(Ordering::Relaxed);
        debug_assert_eq!(Mark(now).phase(), from);
        self.mark
            .store(now.wrapping_add(step as u64), Ordering::Release);
    }

    /// Rules 1 and 3.
    #[inline]
    fn step(&self, from: Phase, step: Step) -> Verdict {
        self.advance(from, step);
        light_fence();
        match self.claim.load(Ordering::Acquire) {
            FREE => Verdict::Kept,
            _ => self.await_verdict(),
        }
    }

    /// Owner: counts its ways to C, and the frames that it has closed.
    #[inline]
    pub(crate) fn times_in_c(&self) -> u64 {
        self.mark.load(Ordering::Relaxed) >> PHASE_BITS.count_ones()
    }

    /// Owner: whether it is in C.
    #[inline]
    pub(crate) fn is_in_c(&self) -> bool {
        Mark(self.mark.load(Ordering::Relaxed)).phase() == Phase::InC
    }

    /// Owner: whether nobody has claimed the slot of the open frame, as far as can be told without waiting.
    #[inline]
    pub(crate) fn is_unclaimed(&self) -> bool {
        self.claim.load(Ordering::Relaxed) == FREE
    }

    /// Owner: whether the slot of the open frame was given away.
    pub(crate) fn is_lost(&self) -> bool {
        self.claim.load(Ordering::Acquire) != FREE && self.await_verdict() == Verdict::Lost
    }

    /// Owner: gives the slot away (rule 4). `false` if it was already gone.
    #[must_use]
    pub(crate) fn give_away(&self) -> bool {
        loop {
            match self
                .claim
                .compare_exchange(FREE, TAKEN, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return true,
                Err(TAKEN) => return false,
                Err(_) => pause(),
            }
        }
    }

    /// Anybody: as [`times_in_c`](Self::times_in_c), with all that the owner has written before.
    pub(crate) fn ways(&self) -> u64 {
        self.mark.load(Ordering::Acquire) >> PHASE_BITS.count_ones()
    }

    /// Monitor: the mark as it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.mark.load(Ordering::Acquire))
    }

    /// Monitor: takes the slot if the owner has not moved since `seen` (rule 2).
    #[must_use]
    pub(crate) fn try_take(&self, seen: Mark) -> bool {
        if self
            .claim
            .compare_exchange(FREE, CLAIMED, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return false;
        }
        let unmoved = heavy_fence() && self.mark() == seen;
        self.claim
            .store(if unmoved { TAKEN } else { FREE }, Ordering::Release);
        unmoved
    }

    #[cold]
    fn await_verdict(&self) -> Verdict {
        loop {
            match self.claim.load(Ordering::Acquire) {
                FREE => return Verdict::Kept,
                TAKEN => return Verdict::Lost,
                _ => pause(),
            }
        }
    }
}
