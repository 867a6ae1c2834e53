//! A row of the table, and how samples become one.

use std::fmt;
use std::time::Duration;

use crate::effort::Effort;

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) samples: Vec<f64>,
}

/// What is printed: `name median unit min`, in columns.
pub(crate) struct Summary {
    pub(crate) name: String,
    pub(crate) median: f64,
    pub(crate) unit: String,
    pub(crate) min: f64,
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: &str, samples: Vec<f64>) -> Row {
        Row {
            name: name.into(),
            unit: unit.into(),
            samples,
        }
    }

    /// Nanoseconds a part of `timed(n)`, which does `n` times something made of `parts` parts.
    ///
    /// A sample of 5 ms is long beside the clock's own cost, and the median of 15 in each process forgets the
    /// scheduler's interruptions. Both numbers are guesses.
    pub(crate) fn per_part(
        effort: Effort,
        name: &str,
        parts: u32,
        timed: impl Fn(u32) -> Duration,
    ) -> Row {
        let length = effort.pick(Duration::from_millis(5), Duration::from_micros(50));
        let mut n = 1;
        // What is done once (threads that start, stacks that are mapped) must not pass for what is done each time.
        for _ in 0..8 {
            timed(n);
        }
        while timed(n) < length {
            n *= 2;
        }
        let per_part = |took: Duration| took.as_nanos() as f64 / (f64::from(n) * f64::from(parts));
        let samples = (0..effort.pick(15, 1))
            .map(|_| per_part(timed(n)))
            .collect();
        Row::new(name, "ns", samples)
    }

    /// As [`per_part`](Self::per_part), for rows whose ratio is what counts: a sample of each in turn, so that what the machine
    /// does besides befalls all of them.
    pub(crate) fn side_by_side<const N: usize>(
        effort: Effort,
        parts: u32,
        rows: [(&str, &dyn Fn(u32) -> Duration); N],
    ) -> Vec<Row> {
        let length = effort.pick(Duration::from_millis(5), Duration::from_micros(50));
        let lengths = rows.map(|(_, timed)| {
            for _ in 0..8 {
                timed(1);
            }
            let mut n = 1;
            while timed(n) < length {
                n *= 2;
            }
            n
        });
        let mut samples = rows.map(|_| Vec::new());
        for _ in 0..effort.pick(101, 1) {
            for (at, (_, timed)) in rows.iter().enumerate() {
                let n = lengths[at];
                let took = timed(n).as_nanos() as f64;
                samples[at].push(took / (f64::from(n) * f64::from(parts)));
            }
        }
        let names = rows.iter().map(|(name, _)| *name);
        names
            .zip(samples)
            .map(|(name, samples)| Row::new(name, "ns", samples))
            .collect()
    }

    pub(crate) fn summary(&self) -> Summary {
        let sorted = sorted(&self.samples);
        Summary {
            name: self.name.clone(),
            median: quantile(&sorted, 0.5),
            unit: self.unit.clone(),
            min: sorted[0],
        }
    }

    /// From child to parent.
    pub(crate) fn encode(&self) -> String {
        let samples: Vec<String> = self.samples.iter().map(|s| format!("{s:.3}")).collect();
        format!("{} {} {}", self.name, self.unit, samples.join(" "))
    }

    pub(crate) fn decode(line: &str) -> Row {
        let mut fields = line.split_whitespace();
        let mut word = || fields.next().expect("a row has a name and a unit");
        let (name, unit) = (word(), word());
        let samples = fields.map(|s| s.parse().expect("a sample is a number"));
        Row::new(name, unit, samples.collect())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<33} {:>10.2} {:<7} {:>10.2}",
            self.name, self.median, self.unit, self.min
        )
    }
}

pub(crate) fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Nearest rank in sorted values.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = (q * sorted.len() as f64) as usize;
    sorted[at.min(sorted.len() - 1)]
}

pub(crate) fn microseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}
