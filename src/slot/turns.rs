//! How often brief calls ask tokio's budget.
//!
//! To ask it takes about as long as to call C. Calls that take next to no time need not do so every time: a turn of them counts
//! as one of the operations that the budget is made for. Calls that take longer ask each time, as every other call does.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Calls in a turn, if they are quick.
const TURN: u32 = 128;

/// What a quick call takes at most, with what lies between it and the next one. Guessed: so that the 128 turns of a budget take
/// 2 ms at most.
const QUICK: Duration = Duration::from_nanos(125);

#[derive(Debug)]
pub(super) struct Turns {
    /// Calls until the next turn begins.
    left: Cell<u32>,
    /// In the turn that is under way.
    calls: Cell<u32>,
    began: Cell<Option<Instant>>,
}

impl Turns {
    pub(super) const fn new() -> Self {
        Self {
            left: Cell::new(0),
            calls: Cell::new(1),
            began: Cell::new(None),
        }
    }

    /// Whether there is one more call in this turn; if so, it is made.
    #[inline]
    pub(super) fn take(&self) -> bool {
        let left = self.left.get().checked_sub(1);
        left.inspect(|&left| self.left.set(left)).is_some()
    }

    /// Begins a turn with a call.
    pub(super) fn begin(&self, now: Instant) {
        let took = self.began.replace(Some(now)).map(|began| now - began);
        let is_quick = took.is_some_and(|took| took < QUICK * self.calls.get());
        let calls = if is_quick { TURN } else { 1 };
        self.calls.set(calls);
        self.left.set(calls - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often 10,000 calls that take so long ask.
    fn asked(a_call: Duration) -> u32 {
        let turns = Turns::new();
        let start = Instant::now();
        let mut asked = 0;
        for made in 0..10_000 {
            if !turns.take() {
                asked += 1;
                turns.begin(start + a_call * made);
            }
        }
        asked
    }

    #[test]
    fn quick_calls_ask_once_a_turn() {
        assert_eq!(asked(Duration::from_nanos(50)), 10_000 / TURN + 2);
    }

    #[test]
    fn calls_that_take_longer_ask_each_time() {
        assert_eq!(asked(Duration::from_micros(1)), 10_000);
    }

    #[test]
    fn a_quick_call_buys_one_turn() {
        let turns = Turns::new();
        let start = Instant::now();
        turns.begin(start);
        turns.begin(start + Duration::from_nanos(50));
        let granted = std::iter::from_fn(|| turns.take().then_some(())).count();
        assert_eq!(granted, TURN as usize - 1);
        turns.begin(start + Duration::from_millis(1));
        assert!(!turns.take(), "the turn took too long");
    }
}
