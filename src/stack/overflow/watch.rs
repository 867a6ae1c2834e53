//! Where our guards are, in a form that a signal handler can read: a fixed table without locks.

use crate::stack::mapping::GUARD;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Ranges that the table holds. Slabs double in size, so all of the address space takes fewer than 40 a class; the rest
/// is for stacks of exact sizes. Beyond it an overflow still kills, but without the message.
const RANGES: usize = 512;

/// A run of stacks of equal stride, each with its guard at the low end. A `start` of zero marks a free entry.
struct Range {
    start: AtomicUsize,
    stride: AtomicUsize,
    count: AtomicUsize,
}

/// The `start` of an entry that is being filled.
const BUSY: usize = usize::MAX;

static TABLE: [Range; RANGES] = [const {
    Range {
        start: AtomicUsize::new(0),
        stride: AtomicUsize::new(0),
        count: AtomicUsize::new(0),
    }
}; RANGES];

/// Adds a range.
pub(crate) fn watch(start: usize, stride: usize, count: usize) {
    let free = TABLE.iter().find(|range| {
        range
            .start
            .compare_exchange(0, BUSY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    });
    if let Some(range) = free {
        range.stride.store(stride, Ordering::Relaxed);
        range.count.store(count, Ordering::Relaxed);
        range.start.store(start, Ordering::Release);
    }
}

/// Removes the range that starts there.
pub(crate) fn unwatch(start: usize) {
    if let Some(range) = TABLE
        .iter()
        .find(|range| range.start.load(Ordering::Relaxed) == start)
    {
        range.start.store(0, Ordering::Release);
    }
}

/// Whether the address lies in a guard. Called by the signal handler.
pub(super) fn is_guard(address: usize) -> bool {
    TABLE.iter().any(|range| {
        let start = range.start.load(Ordering::Acquire);
        if start == 0 || start == BUSY || address < start {
            return false;
        }
        let stride = range.stride.load(Ordering::Relaxed);
        let offset = address - start;
        offset / stride < range.count.load(Ordering::Relaxed) && offset % stride < GUARD
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_told_from_stacks() {
        let (start, stride) = (0x7000_0000_0000, GUARD + (64 << 10));
        watch(start, stride, 3);
        assert!(is_guard(start));
        assert!(is_guard(start + 2 * stride + GUARD - 1));
        assert!(!is_guard(start + GUARD));
        assert!(!is_guard(start + 3 * stride));
        assert!(!is_guard(start - 1));
        unwatch(start);
        assert!(!is_guard(start));
    }
}
