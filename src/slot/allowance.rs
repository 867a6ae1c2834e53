//! How many calls a scope may make in one poll.
//!
//! A scope has to yield now and then, for inside a frame tokio's budget is off. To count calls is enough if they take a
//! microsecond; but a frame takes as long as a dozen calls of nothing, and for them more is granted, as long as the
//! clock, which is looked at once a round, says that a round takes next to no time.
//!
//! Nothing is counted here: the mark that the monitor watches counts how often the thread has gone to C, and what is kept is
//! the count at which a round ends. So callbacks, after which the thread goes to C again, count as calls do.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Calls in the first round.
const FIRST: u64 = 128;

/// Calls between the first two looks at the clock.
const PROBE: u64 = 16;

/// Calls in each round after those.
const ROUND: u64 = 256;

/// A round that took longer is the last one. Guessed: far below what anybody notices, far above what 256 calls of nothing
/// take (3 µs).
const SHORT: Duration = Duration::from_micros(20);

/// What takes longer since the first look at the clock is no more granted a round. Guessed: a poll by itself, with what the
/// scheduler does between two, takes 1 to 2 µs (measured).
const LONG: Duration = Duration::from_micros(200);

/// What is left to a poll. `made` is, everywhere, how often the thread has gone to C so far.
#[derive(Debug)]
pub(super) struct Allowance {
    began: Cell<u64>,
    round_ends: Cell<u64>,
    /// The first look at the clock, and the last.
    looks: Cell<Option<(Instant, Instant)>>,
    is_over: Cell<bool>,
}

impl Allowance {
    /// Nothing.
    pub(super) const fn none() -> Self {
        Self {
            began: Cell::new(0),
            round_ends: Cell::new(0),
            looks: Cell::new(None),
            is_over: Cell::new(true),
        }
    }

    /// For a new poll.
    pub(super) fn renew(&self, made: u64) {
        self.began.set(made);
        self.round_ends.set(made + FIRST);
        self.looks.set(None);
        self.is_over.set(false);
    }

    /// Whether no call was made since it was renewed.
    pub(super) fn is_whole(&self, made: u64) -> bool {
        self.began.get() == made
    }

    /// Whether the current round has room for a call.
    #[inline]
    pub(super) fn has_room(&self, made: u64) -> bool {
        made < self.round_ends.get()
    }

    /// Whether there is room for a call, in this round or in one more.
    pub(super) fn makes_room(&self, made: u64) -> bool {
        self.has_room(made) || self.begins_round(made, Instant::now)
    }

    /// Makes room for a round of calls under a callback, which are no scope's to count: they ask tokio's budget once a round.
    pub(super) fn extend(&self, made: u64) {
        self.round_ends.set(made + FIRST);
    }

    fn begins_round(&self, made: u64, now: impl FnOnce() -> Instant) -> bool {
        if self.is_over.get() {
            return false;
        }
        let now = now();
        let (first, last) = self.looks.get().unwrap_or((now, now));
        if now - last >= SHORT || now - first >= LONG {
            self.is_over.set(true);
            return false;
        }
        let is_probe = self.looks.replace(Some((first, now))).is_none();
        self.round_ends
            .set(made + if is_probe { PROBE } else { ROUND });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls until there is no room left, each taking so long.
    fn granted(a_call: Duration) -> u64 {
        const BEFORE: u64 = 1000;
        let allowance = Allowance::none();
        assert!(!allowance.makes_room(BEFORE));
        allowance.renew(BEFORE);
        assert!(allowance.is_whole(BEFORE));
        let start = Instant::now();
        let mut made = 0;
        loop {
            let now = || start + a_call * u32::try_from(made).expect("few calls");
            if !allowance.has_room(BEFORE + made) && !allowance.begins_round(BEFORE + made, now) {
                return made;
            }
            made += 1;
            assert!(!allowance.is_whole(BEFORE + made));
        }
    }

    #[test]
    fn calls_of_nothing_get_many_rounds() {
        let a_call = Duration::from_nanos(20);
        let made = granted(a_call);
        let took = a_call * u32::try_from(made - FIRST).expect("few calls");
        assert!((LONG..LONG + SHORT).contains(&took), "{took:?}");
    }

    #[test]
    fn calls_that_last_get_a_probe_more_than_a_round() {
        assert_eq!(granted(Duration::from_micros(15)), FIRST + PROBE);
    }

    #[test]
    fn calls_of_a_microsecond_end_with_the_first_round_that_lasts() {
        assert_eq!(granted(Duration::from_micros(1)), FIRST + PROBE + ROUND);
    }
}
