//! Counts that a thread keeps of its own calls, without a store that a fast path did not have.
//!
//! # Where the numbers come from
//!
//! A call on a fast path writes a word anyway that grows by one: the mark, if its slot is ceded, which counts the ways to C and the
//! frames that were closed; or the number of brief calls, which says when their turn ends. What goes another way counts itself;
//! and if it moves the mark besides, it says so here, *before* it does:
//!
//! ```text
//!   mark / 4 = calls on the fast path + callbacks + others + frames
//!
//!   frames      closed
//!   callbacks   ways back to C, from callbacks that have marked
//!   others      ways to C by a mark that belong to none of these: after having been parked, on a stack that was set aside,
//!               of calls that count themselves
//!
//!   in place    = calls on the fast path + calls[in place]
//!   brief       = brief + calls[brief]
//!   other modes = calls[mode]
//!   callbacks   = callbacks + callbacks without a mark
//! ```
//!
//! # Rules
//!
//! 1. The owner alone writes, with plain loads and stores.
//! 2. What is subtracted is written before the mark that it corrects, which is stored with release; it is read after the mark, which is
//!    loaded with acquire. So the difference is never too large. It may be too small, by what the owner does meanwhile: whoever reads
//!    keeps the largest that was seen, and no count ever falls.
//! 3. Between two marks of the owner every sum is exact.
//! 4. All that is read is read, and what a thread leaves behind is added to the rest, under the lock of the registry of threads
//!    (`slot::record`): nothing is lost or seen twice.
//!
//! `integration-tests/tests/tally_loom.rs` runs rule 2 through every interleaving.
//!
//! What is in flight goes up and down, perhaps on different threads for one call: only the sum over all threads has a meaning.

use super::by_mode::ByMode;
use crate::label::CallMode;
use crate::sync::{AtomicU64, Ordering};
use std::array;
use std::ops::AddAssign;

/// A number that one thread writes (rule 1).
#[derive(Debug)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn add_one(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    #[inline]
    fn sub_one(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }
}

/// Modes of calls that run in place, the first of all modes.
const IN_PLACE: usize = CallMode::ThreadStack as usize + 1;

/// What one thread counts. The fast paths' first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Tally {
    callbacks: Count,
    /// Brief calls on the fast path. Their turns go by it.
    pub(crate) brief: Count,
    others: Count,
    frames: Count,
    kept: Count,
    calls: [Count; IN_PLACE],
    callbacks_without_mark: Count,
    callbacks_waited: Count,
    came_back: Count,
    requeued: Count,
    in_flight: Count,
    offloaded: Count,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            callbacks: Count::new(),
            brief: Count::new(),
            others: Count::new(),
            frames: Count::new(),
            kept: Count::new(),
            calls: array::from_fn(|_| Count::new()),
            callbacks_without_mark: Count::new(),
            callbacks_waited: Count::new(),
            came_back: Count::new(),
            requeued: Count::new(),
            in_flight: Count::new(),
            offloaded: Count::new(),
        }
    }

    /// A call that is not on the fast path of its mode. With `by_mark`, the mark is about to go to C with it.
    pub(crate) fn call(&self, mode: CallMode, by_mark: bool) {
        self.calls[mode as usize].add_one();
        if by_mark {
            self.others.add_one();
        }
    }

    /// An offloaded call has come to this thread. No metric: those are counted where they end.
    pub(crate) fn offloaded(&self) {
        self.offloaded.add_one();
    }

    /// What is counted here of ways to C that no mark tells of: calls, and callbacks, after each of which C goes on.
    pub(crate) fn unmarked(&self) -> u64 {
        let calls = self.calls.iter().chain([&self.offloaded]);
        let calls = calls.map(Count::get);
        calls.fold(self.callbacks_without_mark.get(), u64::wrapping_add)
    }

    /// A callback is over, and the mark is about to go to C.
    #[inline(always)]
    pub(crate) fn callback_by_mark(&self) {
        self.callbacks.add_one();
    }

    /// A callback is over.
    #[inline]
    pub(crate) fn callback_without_mark(&self) {
        self.callbacks_without_mark.add_one();
    }

    /// A callback that is over, or is about to be, was not ready at once.
    pub(crate) fn callback_waited(&self) {
        self.callbacks_waited.add_one();
    }

    /// The mark is about to go to C on the way of something that it does not count.
    #[inline]
    pub(crate) fn other_way_to_c(&self) {
        self.others.add_one();
    }

    /// A frame is about to be closed.
    pub(crate) fn frame(&self) {
        self.frames.add_one();
    }

    /// A frame has ended.
    pub(crate) fn reacquired(&self, how: Reacquired) {
        let count = match how {
            Reacquired::SameSlot => &self.kept,
            Reacquired::IdleWorker => &self.came_back,
            Reacquired::RunQueue => &self.requeued,
        };
        count.add_one();
    }

    /// A call that has no stack of the thread's lent begins to run here.
    pub(crate) fn enter(&self) {
        self.in_flight.add_one();
    }

    pub(crate) fn leave(&self) {
        self.in_flight.sub_one();
    }
}

/// How a frame that has ended came by its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reacquired {
    /// Nobody took it.
    SameSlot,
    /// It was given away, and there again when the frame ended.
    IdleWorker,
    /// It is gone, and the task gets another.
    RunQueue,
}

/// What threads have counted, in sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    /// Calls in place, on the fast path.
    pub(crate) by_mark: u64,
    brief: u64,
    calls: [u64; IN_PLACE],
    pub(crate) callbacks: u64,
    pub(crate) callbacks_waited: u64,
    pub(crate) kept: u64,
    pub(crate) came_back: u64,
    pub(crate) requeued: u64,
    in_flight: u64,
}

impl Totals {
    pub(crate) const NONE: Self = Self {
        by_mark: 0,
        brief: 0,
        calls: [0; IN_PLACE],
        callbacks: 0,
        callbacks_waited: 0,
        kept: 0,
        came_back: 0,
        requeued: 0,
        in_flight: 0,
    };

    /// What `tally` has, of a thread whose mark was loaded with acquire *before* this is called, and had counted so many `ways`.
    pub(crate) fn new(ways: u64, tally: &Tally) -> Self {
        let not_calls = tally.callbacks.get() + tally.others.get() + tally.frames.get();
        Self {
            by_mark: ways.saturating_sub(not_calls),
            brief: tally.brief.get(),
            calls: tally.calls.each_ref().map(Count::get),
            callbacks: tally.callbacks.get() + tally.callbacks_without_mark.get(),
            callbacks_waited: tally.callbacks_waited.get(),
            kept: tally.kept.get(),
            came_back: tally.came_back.get(),
            requeued: tally.requeued.get(),
            in_flight: tally.in_flight.get(),
        }
    }

    /// Calls in place, by mode; the other modes have none.
    pub(crate) fn calls(&self) -> ByMode<u64> {
        ByMode::from_fn(|mode| {
            let counted = self.calls.get(mode as usize).copied().unwrap_or(0);
            match mode {
                CallMode::InPlace => counted + self.by_mark,
                CallMode::Brief => counted + self.brief,
                _ => counted,
            }
        })
    }

    /// Calls in flight in place, without those on a stack that their thread has lent.
    pub(crate) fn in_flight(&self) -> usize {
        // Seen in the midst of a call that has changed threads, it may be below zero.
        (self.in_flight as i64).max(0) as usize
    }
}

impl AddAssign<&Totals> for Totals {
    fn add_assign(&mut self, other: &Totals) {
        let add = |sum: &mut u64, n: u64| *sum = sum.wrapping_add(n);
        add(&mut self.by_mark, other.by_mark);
        add(&mut self.brief, other.brief);
        for (sum, &n) in self.calls.iter_mut().zip(&other.calls) {
            add(sum, n);
        }
        add(&mut self.callbacks, other.callbacks);
        add(&mut self.callbacks_waited, other.callbacks_waited);
        add(&mut self.kept, other.kept);
        add(&mut self.came_back, other.came_back);
        add(&mut self.requeued, other.requeued);
        add(&mut self.in_flight, other.in_flight);
    }
}
