//! Histograms of durations, with fixed buckets: each bound is twice the one before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets that have a bound: 1 µs, 2 µs, 4 µs, … 2³⁰ µs, which is 17.9 minutes.
const BOUNDED: usize = 31;

/// Durations, counted by size.
///
/// The buckets are fixed: the bounds go from 1 µs to 2³⁰ µs (17.9 minutes), each twice the one before, and one bucket has what is longer.
/// So a quantile is known to a factor of two, and histograms can be added and compared, over time and between processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BOUNDED + 1],
    sum: Duration,
}

impl Histogram {
    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All durations together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// What they take in the middle; `None` without any.
    pub fn mean(&self) -> Option<Duration> {
        let nanos = self.sum.as_nanos().checked_div(self.count().into())?;
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    /// The buckets in ascending order: the bound, and how many durations are not longer than it and longer than the bound
    /// before. The last one has no bound.
    ///
    /// ```
    /// for (bound, count) in cede::metrics().slot_wait.buckets() {
    ///     match bound {
    ///         Some(bound) => println!("at most {bound:?}: {count}"),
    ///         None => println!("more: {count}"),
    ///     }
    /// }
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        self.counts
            .iter()
            .enumerate()
            .map(|(n, &count)| (bound(n), count))
    }

    /// What `q` of the durations do not exceed, rounded up to a bucket's bound: 0.99 for the 99th percentile. [`Duration::MAX`] if
    /// it is beyond the last bound; `None` without any durations.
    ///
    /// # Panics
    ///
    /// If `q` is not between 0 and 1.
    #[track_caller]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        assert!((0.0..=1.0).contains(&q), "quantile({q}): from 0 to 1");
        let rank = ((q * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let mut buckets = self.buckets();
        let reached = buckets.find(|&(_, count)| {
            seen += count;
            seen >= rank
        });
        reached.map(|(bound, _)| bound.unwrap_or(Duration::MAX))
    }
}

/// The upper bound of a bucket; the last has none.
fn bound(bucket: usize) -> Option<Duration> {
    (bucket < BOUNDED).then(|| Duration::from_micros(1 << bucket))
}

/// The bucket that a duration belongs to: the first whose bound it does not exceed.
fn bucket(duration: Duration) -> usize {
    let micros = duration.as_nanos().div_ceil(1000);
    let doublings = micros.next_power_of_two().trailing_zeros() as usize;
    doublings.min(BOUNDED)
}

/// A histogram that any thread may add to.
pub(crate) struct Recorded {
    counts: [AtomicU64; BOUNDED + 1],
    nanos: AtomicU64,
}

impl Recorded {
    pub(crate) const fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BOUNDED + 1],
            nanos: AtomicU64::new(0),
        }
    }

    pub(crate) fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.counts[bucket(duration)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Histogram {
        Histogram {
            counts: self
                .counts
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANO: Duration = Duration::from_nanos(1);

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_longer_to_the_next() {
        assert_eq!(bucket(Duration::ZERO), 0);
        for n in 0..BOUNDED {
            let bound = bound(n).unwrap();
            assert_eq!((bucket(bound), bucket(bound + NANO)), (n, n + 1));
        }
        assert_eq!(bound(BOUNDED), None);
        assert_eq!(bucket(Duration::MAX), BOUNDED);
    }

    #[test]
    fn bounds_go_from_a_microsecond_to_eighteen_minutes_by_doubling() {
        let bounds: Vec<_> = (0..BOUNDED).map(|n| bound(n).unwrap()).collect();
        assert_eq!(bounds[0], Duration::from_micros(1));
        assert!(bounds.windows(2).all(|pair| pair[1] == pair[0] * 2));
        assert_eq!(bounds[BOUNDED - 1].as_secs(), 1073);
    }

    #[test]
    fn what_is_recorded_is_counted_summed_and_found_by_rank() {
        let recorded = Recorded::new();
        for millis in 1..=100 {
            recorded.record(Duration::from_millis(millis));
        }
        let histogram = recorded.get();
        assert_eq!(histogram.count(), 100);
        assert_eq!(histogram.sum(), Duration::from_millis(5050));
        assert_eq!(histogram.mean(), Some(Duration::from_micros(50_500)));
        let micros = |q| histogram.quantile(q).map(|found| found.as_micros());
        // The exact ones are 1, 50, 99 and 100 ms.
        assert_eq!(micros(0.0), Some(1 << 10));
        assert_eq!(micros(0.5), Some(1 << 16));
        assert_eq!(micros(0.99), Some(1 << 17));
        assert_eq!(micros(1.0), Some(1 << 17));
        let counted: u64 = histogram.buckets().map(|(_, count)| count).sum();
        assert_eq!(counted, 100);
    }

    #[test]
    fn nothing_recorded_has_no_quantile_and_what_is_beyond_the_bounds_no_bound() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(Histogram::default().mean(), None);
        let recorded = Recorded::new();
        recorded.record(Duration::from_secs(3600));
        assert_eq!(recorded.get().quantile(0.5), Some(Duration::MAX));
        assert_eq!(recorded.get().buckets().last(), Some((None, 1)));
    }
}
