//! How often brief calls ask tokio's budget.
//!
//! To ask it takes about as long as to call C. Calls that take next to no time need not do so every time: a turn of them counts
//! as one of the operations that the budget is made for. Calls that take longer ask each time, as every other call does.
//!
//! The calls are counted where others see how many the thread has made; what is kept is the count at which a turn ends
//! ([`TurnEnd`]).

use super::turn_end::TurnEnd;
use crate::observe::Count;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Calls in a turn, if they are quick.
const TURN: u32 = 128;

/// What a quick call takes at most, with what lies between it and the next one. Guessed: so that the 128 turns of a budget take
/// 2 ms at most.
const QUICK: Duration = Duration::from_nanos(125);

#[derive(Debug)]
pub(super) struct Turns {
    /// In the turn that is under way.
    calls: Cell<u32>,
    began: Cell<Option<Instant>>,
}

impl Turns {
    pub(super) const fn new() -> Self {
        Self {
            calls: Cell::new(1),
            began: Cell::new(None),
        }
    }

    /// Begins a turn with a call, and counts that.
    pub(super) fn begin(&self, made: &Count, end: &TurnEnd, now: Instant) {
        let took = self.began.replace(Some(now)).map(|began| now - began);
        let is_quick = took.is_some_and(|took| took < QUICK * self.calls.get());
        let calls = if is_quick { TURN } else { 1 };
        self.calls.set(calls);
        end.set(made.get() + u64::from(calls));
        made.add_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often 10,000 calls that take so long ask.
    fn asked(a_call: Duration) -> u32 {
        let (turns, count, end) = (Turns::new(), Count::new(), TurnEnd::new());
        let start = Instant::now();
        let mut asked = 0;
        for made in 0..10_000 {
            assert_eq!(count.get(), u64::from(made), "each call is counted");
            if end.is_after(count.get()) {
                count.add_one();
            } else {
                asked += 1;
                turns.begin(&count, &end, start + a_call * made);
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
        let (turns, count, end) = (Turns::new(), Count::new(), TurnEnd::new());
        let start = Instant::now();
        turns.begin(&count, &end, start);
        turns.begin(&count, &end, start + Duration::from_nanos(50));
        let has_one = || end.is_after(count.get());
        let granted = std::iter::from_fn(|| has_one().then(|| count.add_one())).count();
        assert_eq!(granted, TURN as usize - 1);
        turns.begin(&count, &end, start + Duration::from_millis(1));
        assert!(!has_one(), "the turn took too long");
    }

    #[test]
    fn what_is_taken_back_is_not_there() {
        let (turns, count, end) = (Turns::new(), Count::new(), TurnEnd::new());
        let start = Instant::now();
        turns.begin(&count, &end, start);
        assert!(!end.take_back(count.get()), "a turn of one call");
        turns.begin(&count, &end, start + Duration::from_nanos(50));
        assert!(end.is_after(count.get()));
        assert!(end.take_back(count.get()));
        assert!(!end.take_back(count.get()));
        assert!(!end.is_after(count.get()));
    }
}
