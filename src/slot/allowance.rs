//! How many calls a scope may make in one poll.
//!
//! A scope has to yield now and then, for inside a frame tokio's budget is off. To count calls is enough if they take a
//! microsecond; but a frame takes as long as a dozen calls of nothing, and for them more is granted, as long as the
//! clock, which is looked at once a round, says that a round takes next to no time.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Calls in the first round, and in each one after the probe.
const ROUND: u32 = 128;

/// Calls between the first two looks at the clock.
const PROBE: u32 = 16;

/// A round that took longer is the last one. Guessed: far below what anybody notices, far above what 128 calls of nothing
/// take (3 µs).
const SHORT: Duration = Duration::from_micros(20);

/// Rounds in a poll, at most: a poll that only makes calls ends after some 300 µs, or with the first round that lasts.
const ROUNDS: u32 = 16;

/// What is left to a poll.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    calls: Cell<u32>,
    rounds: Cell<u32>,
    /// When the current round began, from the second one on.
    since: Cell<Option<Instant>>,
}

impl Allowance {
    /// Nothing.
    pub(super) const fn none() -> Self {
        Self {
            calls: Cell::new(0),
            rounds: Cell::new(0),
            since: Cell::new(None),
        }
    }

    /// For a new poll.
    pub(super) fn renew(&self) {
        self.calls.set(ROUND);
        self.rounds.set(ROUNDS);
        self.since.set(None);
    }

    /// Whether no call was made since it was renewed.
    pub(super) fn is_whole(&self) -> bool {
        self.calls.get() == ROUND && self.rounds.get() == ROUNDS
    }

    /// Takes one call; `false` if there is none left.
    #[inline]
    pub(super) fn take(&self) -> bool {
        match self.calls.get().checked_sub(1) {
            Some(left) => {
                self.calls.set(left);
                true
            }
            None => self.take_of_next_round(Instant::now),
        }
    }

    #[cold]
    fn take_of_next_round(&self, now: impl FnOnce() -> Instant) -> bool {
        let Some(rounds) = self.rounds.get().checked_sub(1) else {
            return false;
        };
        let now = now();
        let calls = match self.since.replace(Some(now)) {
            None => PROBE,
            Some(since) if now - since < SHORT => ROUND,
            Some(_) => {
                self.rounds.set(0);
                return false;
            }
        };
        self.rounds.set(rounds);
        self.calls.set(calls - 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls until there are none left, each taking so long.
    fn granted(a_call: Duration) -> u32 {
        let allowance = Allowance::none();
        assert!(!allowance.take());
        allowance.renew();
        assert!(allowance.is_whole());
        let start = Instant::now();
        let mut made = 0;
        loop {
            let now = || start + a_call * made;
            let granted = match allowance.calls.get() {
                0 => allowance.take_of_next_round(now),
                _ => allowance.take(),
            };
            if !granted {
                return made;
            }
            assert!(!allowance.is_whole());
            made += 1;
        }
    }

    #[test]
    fn calls_of_nothing_get_many_rounds() {
        let all = ROUND + PROBE + (ROUNDS - 1) * ROUND;
        assert_eq!(granted(Duration::from_nanos(20)), all);
        assert_eq!(granted(Duration::ZERO), all);
    }

    #[test]
    fn calls_that_last_get_a_probe_more_than_a_round() {
        assert_eq!(granted(Duration::from_micros(15)), ROUND + PROBE);
    }

    #[test]
    fn calls_of_a_microsecond_end_with_the_first_round_that_lasts() {
        assert_eq!(granted(Duration::from_micros(1)), ROUND + PROBE + ROUND);
    }
}
