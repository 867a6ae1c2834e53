//! How long the watchdog sleeps between two looks.
//!
//! As long as the smallest limit allows. A call with a limit of its own that needs it to look sooner asks for that, and has it look at once.
//! Such a call may be over before it is seen, and the next one asks the same: so the watchdog keeps a pace that was asked for
//! for some looks.
//!
//! # Rules
//!
//! 1. Who has a limit of its own stores it where the watchdog finds it, then [asks](ask).
//! 2. The watchdog takes what was asked for, leaving [`NEVER`], before it looks at the limits, and puts there afterwards for how
//!    long it will sleep. So either it sees the limit, or who asks finds that it will sleep for too long, and wakes it.

use crate::sync::{AtomicU64, Ordering, fence};
use std::time::Duration;

/// However small a limit is.
const SHORTEST: Duration = Duration::from_millis(1);

/// Of the smallest limit, the part between two looks.
const LOOKS_A_LIMIT: u32 = 4;

/// Looks for which a pace is kept that nothing needs any more. Guessed: so that of calls that ask one after the other one in many
/// wakes the watchdog.
const KEPT: u32 = 16;

const NEVER: u64 = u64::MAX;

/// For how long the watchdog sleeps at most, in nanoseconds.
static NAP: AtomicU64 = AtomicU64::new(NEVER);

/// Something has begun that is slow after `limit`. Whether the watchdog is to be woken.
pub(super) fn ask(limit: Duration) -> bool {
    let nap = nap(limit);
    fence(Ordering::SeqCst);
    NAP.fetch_min(nap, Ordering::SeqCst) > nap
}

/// The watchdog's.
pub(super) struct Pace {
    nap: u64,
    kept: u32,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self {
            nap: NEVER,
            kept: 0,
        }
    }

    /// How long to sleep, when the smallest limit is what `limit` finds.
    pub(super) fn next(&mut self, limit: impl FnOnce() -> Duration) -> Duration {
        let asked = NAP.swap(NEVER, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.follow(asked, nap(limit()));
        NAP.fetch_min(self.nap, Ordering::SeqCst);
        Duration::from_nanos(self.nap)
    }

    fn follow(&mut self, asked: u64, allowed: u64) {
        let least = asked.min(allowed);
        if least < self.nap || allowed == self.nap {
            *self = Self {
                nap: least,
                kept: KEPT,
            };
        } else if self.kept > 0 {
            self.kept -= 1;
        } else {
            self.nap = allowed;
        }
    }
}

fn nap(limit: Duration) -> u64 {
    let nap = (limit / LOOKS_A_LIMIT).max(SHORTEST);
    u64::try_from(nap.as_nanos()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_that_was_asked_for_is_kept_for_a_while() {
        let (long, short) = (1000, 10);
        let mut pace = Pace::new();
        pace.follow(NEVER, long);
        assert_eq!(pace.nap, long);
        pace.follow(short, long);
        for _ in 0..KEPT {
            assert_eq!(pace.nap, short);
            pace.follow(short, long);
        }
        assert_eq!(pace.nap, short);
        pace.follow(short, long);
        assert_eq!(pace.nap, long);
    }

    #[test]
    fn one_that_is_needed_is_kept_as_long_as_that() {
        let mut pace = Pace::new();
        for _ in 0..3 * KEPT {
            pace.follow(pace.nap, 10);
            assert_eq!(pace.nap, 10);
        }
    }

    #[test]
    fn limits_of_any_size() {
        assert_eq!(nap(Duration::MAX), NEVER);
        assert_eq!(nap(Duration::ZERO), nap(SHORTEST));
        assert_eq!(nap(Duration::from_secs(1)), 250_000_000);
    }
}
