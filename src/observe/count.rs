//! Counters and gauges.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A number that only grows.
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that are there now.
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: usize) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A [`Gauge`] that remembers the most it has shown.
pub(crate) struct Peaked {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Peaked {
    const fn new() -> Self {
        Self {
            now: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    pub(crate) fn add(&self, n: usize) {
        let now = self.now.fetch_add(n, Ordering::Relaxed) + n;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: usize) {
        self.now.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

/// Offloaded calls in flight, and how many of them are abandoned: in one word, so that the two agree at every moment.
///
/// Changed under the lock of the roll.
pub(crate) struct Offloaded {
    /// The abandoned ones in the upper half.
    now: AtomicU64,
    abandoned_ever: AtomicU64,
}

const ABANDONED: u64 = 1 << 32;

impl Offloaded {
    pub(crate) fn enter(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn abandon(&self) {
        self.abandoned_ever.fetch_add(1, Ordering::Relaxed);
        self.now.fetch_add(ABANDONED, Ordering::Release);
    }

    pub(crate) fn leave(&self, is_abandoned: bool) {
        let less = if is_abandoned { ABANDONED + 1 } else { 1 };
        self.now.fetch_sub(less, Ordering::Relaxed);
    }

    /// In flight, and abandoned.
    pub(crate) fn get(&self) -> (usize, usize) {
        let now = self.now.load(Ordering::Acquire);
        ((now % ABANDONED) as usize, (now / ABANDONED) as usize)
    }

    pub(crate) fn abandoned_ever(&self) -> u64 {
        self.abandoned_ever.load(Ordering::Relaxed)
    }
}

/// One more in a gauge, until it is dropped.
#[must_use]
pub(crate) struct Counted(&'static Gauge);

impl Counted {
    pub(crate) fn new(gauge: &'static Gauge) -> Self {
        gauge.add(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

pub(crate) mod counter {
    use super::{AtomicU64, Counter};

    pub(crate) static RETAKES: Counter = Counter(AtomicU64::new(0));
    pub(crate) static HAND_OFFS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static KEPT_SLOTS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static REFUSALS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static PANICS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static LEAKED_STACKS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static FOREIGN_CALLBACKS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static LATE_CALLBACKS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static DROPPED_EVENTS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static STANDBY_THREADS_STARTED: Counter = Counter(AtomicU64::new(0));
    /// Callbacks of offloaded calls.
    pub(crate) static CALLBACKS_ELSEWHERE: Counter = Counter(AtomicU64::new(0));
    pub(crate) static CALLBACKS_ELSEWHERE_WAITED: Counter = Counter(AtomicU64::new(0));
}

pub(crate) mod gauge {
    use super::{AtomicU64, AtomicUsize, Gauge, Offloaded, Peaked};

    pub(crate) static STANDBY_THREADS: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static SUSPENDED_CALLS: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static STACKS: Peaked = Peaked::new();
    /// In use, without those that their threads have lent.
    pub(crate) static STACKS_ACQUIRED: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static STACK_BYTES_MAPPED: Peaked = Peaked::new();
    pub(crate) static REGISTRATIONS: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static LANE_CALLS_WAITING: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static LANE_CALLS_RUNNING: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static OFFLOADED: Offloaded = Offloaded {
        now: AtomicU64::new(0),
        abandoned_ever: AtomicU64::new(0),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_the_most_there_ever_was() {
        let peaked = Peaked::new();
        peaked.add(3);
        peaked.sub(2);
        peaked.add(1);
        assert_eq!((peaked.get(), peaked.peak()), (2, 3));
        peaked.add(2);
        assert_eq!((peaked.get(), peaked.peak()), (4, 4));
    }
}
