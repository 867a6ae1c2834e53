//! The snapshot, through the `metrics` facade.

use super::{Metrics, metrics};
use crate::lane::LaneMetrics;
use crate::observe::Histogram;
use crate::sync::lock;
use ::metrics::{
    Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit, with_recorder,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

/// One name, and what is published under it.
struct Family {
    name: &'static str,
    kind: Kind,
    unit: Unit,
    meaning: &'static str,
    read: fn(&Metrics) -> Vec<Sample<'_>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One value, with its label if the family has one.
struct Sample<'a> {
    label: Option<Label>,
    value: Value<'a>,
}

enum Value<'a> {
    Count(u64),
    Gauge(f64),
    Histogram(&'a Histogram),
}

impl From<u64> for Value<'_> {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Value<'_> {
    fn from(size: usize) -> Self {
        Self::Gauge(size as f64)
    }
}

impl<'a> From<&'a Histogram> for Value<'a> {
    fn from(histogram: &'a Histogram) -> Self {
        Self::Histogram(histogram)
    }
}

fn one<'a>(value: impl Into<Value<'a>>) -> Vec<Sample<'a>> {
    vec![Sample {
        label: None,
        value: value.into(),
    }]
}

fn labelled<'a, N: Into<SharedString>, V: Into<Value<'a>>>(
    label: &'static str,
    values: impl IntoIterator<Item = (N, V)>,
) -> Vec<Sample<'a>> {
    let sample = |(name, value): (N, V)| Sample {
        label: Some(Label::new(label, name)),
        value: value.into(),
    };
    values.into_iter().map(sample).collect()
}

/// Makes the list, and the function with the list in its docs, of the same words.
macro_rules! published {
    ($( #[doc = $docs:literal] )* pub fn publish_metrics(); $( $name:literal $kind:ident $unit:ident [$label:literal] $meaning:literal $read:expr; )*) => {
        const FAMILIES: &[Family] = &[$(
            Family {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                meaning: $meaning,
                read: $read,
            },
        )*];

        $( #[doc = $docs] )*
        ///
        /// | name | kind | unit | label | |
        /// |---|---|---|---|---|
        $(
            #[doc = concat!(
                "| `", $name, "` | ", stringify!($kind), " | ", stringify!($unit), " | ", $label, " | ", $meaning, " |"
            )]
        )*
        pub fn publish_metrics() {
            let seen = metrics();
            with_recorder(|recorder| FAMILIES.iter().for_each(|family| family.write(&seen, recorder)));
        }
    };
}

published! {
    /// Writes what [`metrics`](crate::metrics()) shows to the recorder of the [`metrics`](https://docs.rs/metrics/0.24) crate, under the
    /// names below. Needs the feature `metrics`.
    ///
    /// Nothing is written by itself: call this before each scrape, or every few seconds.
    ///
    /// ```
    /// // In the handler of `/metrics`, before the recorder is rendered:
    /// cede::publish_metrics();
    /// ```
    ///
    /// # Thread and blocking
    ///
    /// May be called wherever [`metrics`](crate::metrics()) may. The recorder, local or global, is called on this thread; none of the
    /// crate's locks is held meanwhile. If it panics, this does. Without a recorder nothing happens.
    ///
    /// # Names and units
    ///
    /// Counters are set to their absolute values. They begin at zero with the process, and never fall.
    ///
    /// The facade's own histograms take single values, not buckets that were filled elsewhere. So a histogram is published as
    /// Prometheus has it: counters named `…_bucket`, cumulative, with their bound in seconds in the label `le`; a counter `…_count`; and
    /// `…_sum`, which is a gauge, since the facade's counters have no fractions. A mode appears with its first call that was timed.
    /// An exporter that sees to it that the name of every counter ends in `_total` (`PrometheusBuilder::with_recommended_naming`)
    /// makes `…_bucket_total` and `…_count_total` of these, which queries then have to say.
    ///
    /// A lane's label is its name, and lanes of the same name are added together. One that has ended stays, with zeros: so do not
    /// make up a new name for each.
    pub fn publish_metrics();

    "cede_calls_total" Counter Count ["`mode`"]
        "calls whose C has begun" |seen| labelled("mode", seen.calls.iter().map(|(mode, &n)| (mode, n)));
    "cede_call_duration_seconds" Histogram Seconds ["`mode`"]
        "from C's beginning to its return, of the calls that are timed"
        |seen| labelled("mode", seen.call_duration.iter().filter(|(_, seen)| seen.count() > 0));
    "cede_queue_wait_seconds" Histogram Seconds ["`mode`: `offloaded`, `lane`"]
        "from when a call was given to a thread, or got in line, to C's beginning"
        |seen| labelled("mode", [("offloaded", &seen.offload_queue_wait), ("lane", &seen.lane_queue_wait)]);
    "cede_slot_wait_seconds" Histogram Seconds [""]
        "from C's return to the poll that delivers, of calls that have lost their slot" |seen| one(&seen.slot_wait);
    "cede_calls_in_flight" Gauge Count ["`place`: `in_place`, `suspended`, `offloaded`"]
        "calls that are in C, in a callback or, if offloaded, in line" |seen| labelled("place", [
            ("in_place", seen.in_place_calls),
            ("suspended", seen.suspended_calls),
            ("offloaded", seen.offloaded_calls),
        ]);
    "cede_calls_abandoned" Gauge Count [""]
        "of those offloaded, the ones whose future is gone" |seen| one(seen.abandoned_calls);
    "cede_calls_abandoned_total" Counter Count [""]
        "calls that were abandoned with C running" |seen| one(seen.abandoned_calls_ever);
    "cede_callbacks_total" Counter Count [""]
        "callbacks whose future was polled" |seen| one(seen.callbacks);
    "cede_callbacks_waited_total" Counter Count [""]
        "of those, the ones that were not ready at once" |seen| one(seen.callbacks_waited);
    "cede_callbacks_foreign_total" Counter Count [""]
        "callbacks of registrations from outside of any call" |seen| one(seen.foreign_callbacks);
    "cede_callbacks_late_total" Counter Count [""]
        "callbacks of registrations that had ended" |seen| one(seen.late_callbacks);
    "cede_callbacks_refused_total" Counter Count [""]
        "callbacks that were refused" |seen| one(seen.refusals);
    "cede_callbacks_panicked_total" Counter Count [""]
        "callbacks that panicked" |seen| one(seen.panics);
    "cede_events_dropped_total" Counter Count [""]
        "events of streams that found no room or no reader" |seen| one(seen.dropped_events);
    "cede_retakes_total" Counter Count [""]
        "slots that the monitor took" |seen| one(seen.retakes);
    "cede_hand_offs_total" Counter Count [""]
        "slots that a call gave away" |seen| one(seen.hand_offs);
    "cede_slots_kept_total" Counter Count [""]
        "slots that could not be ceded for want of a standby thread" |seen| one(seen.kept_slots);
    "cede_reacquires_total" Counter Count ["`kind`: `same_slot`, `idle_worker`, `run_queue`"]
        "frames that have ended, by how they got a slot" |seen| labelled("kind", seen.reacquires.iter());
    "cede_standby_threads" Gauge Count [""]
        "standby threads alive" |seen| one(seen.standby_threads);
    "cede_standby_threads_started_total" Counter Count [""]
        "standby threads that were started" |seen| one(seen.standby_threads_ever);
    "cede_stacks" Gauge Count ["`state`: `in_use`, `cached`"]
        "C stacks alive"
        |seen| labelled("state", [("in_use", seen.stacks_in_use), ("cached", seen.stacks_cached)]);
    "cede_stacks_peak" Gauge Count [""]
        "the most C stacks that were alive at once" |seen| one(seen.stacks_peak);
    "cede_stacks_leaked_total" Counter Count [""]
        "C stacks that were given up" |seen| one(seen.leaked_stacks);
    "cede_stack_mapped_bytes" Gauge Bytes [""]
        "address space of C stacks" |seen| one(seen.stack_bytes_mapped);
    "cede_stack_mapped_peak_bytes" Gauge Bytes [""]
        "the most of it there was at once" |seen| one(seen.stack_bytes_mapped_peak);
    "cede_registrations" Gauge Count [""]
        "registrations alive" |seen| one(seen.registrations);
    "cede_lane_calls_waiting" Gauge Count ["`lane`"]
        "calls in the lane's line" |seen| lanes(seen, |lane| lane.waiting);
    "cede_lane_calls_running" Gauge Count ["`lane`"]
        "threads of the lane that are in C, or wait for a callback" |seen| lanes(seen, |lane| lane.running);
    "cede_lane_threads" Gauge Count ["`lane`"]
        "threads of the lane" |seen| lanes(seen, |lane| lane.threads);
}

/// Something of every lane, by name. Those that were published before and are no more have nothing.
fn lanes(seen: &Metrics, of: impl Fn(&LaneMetrics) -> usize) -> Vec<Sample<'static>> {
    static NAMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut by_name: BTreeMap<String, usize> = {
        let mut names = lock(&NAMES);
        names.extend(seen.lanes.iter().map(|lane| lane.name.clone()));
        names.iter().map(|name| (name.clone(), 0)).collect()
    };
    for lane in &seen.lanes {
        *by_name.entry(lane.name.clone()).or_default() += of(lane);
    }
    labelled("lane", by_name)
}

static METADATA: Metadata<'static> = Metadata::new("cede", Level::INFO, Some("cede"));

impl Family {
    fn write(&self, seen: &Metrics, to: &dyn Recorder) {
        self.describe(to);
        for Sample { label, value } in (self.read)(seen) {
            let labels: Vec<_> = label.into_iter().collect();
            match value {
                Value::Count(count) => set_counter(to, self.name, labels, count),
                Value::Gauge(value) => set_gauge(to, self.name, labels, value),
                Value::Histogram(histogram) => self.write_histogram(histogram, &labels, to),
            }
        }
    }

    fn describe(&self, to: &dyn Recorder) {
        let (unit, meaning) = (Some(self.unit), SharedString::const_str(self.meaning));
        let name = KeyName::from_const_str(self.name);
        match self.kind {
            Kind::Counter => to.describe_counter(name, unit, meaning),
            Kind::Gauge => to.describe_gauge(name, unit, meaning),
            Kind::Histogram => {
                let part = |part| KeyName::from(format!("{}_{part}", self.name));
                to.describe_counter(part("bucket"), Some(Unit::Count), meaning.clone());
                to.describe_counter(part("count"), Some(Unit::Count), meaning.clone());
                to.describe_gauge(part("sum"), unit, meaning);
            }
        }
    }

    fn write_histogram(&self, histogram: &Histogram, labels: &[Label], to: &dyn Recorder) {
        let mut up_to_here = 0;
        for (bound, count) in histogram.buckets() {
            up_to_here += count;
            let labels = labels.iter().cloned().chain([bound_label(bound)]);
            set_counter(
                to,
                format!("{}_bucket", self.name),
                labels.collect(),
                up_to_here,
            );
        }
        set_counter(
            to,
            format!("{}_count", self.name),
            labels.to_vec(),
            up_to_here,
        );
        let sum = histogram.sum().as_secs_f64();
        set_gauge(to, format!("{}_sum", self.name), labels.to_vec(), sum);
    }
}

fn bound_label(bound: Option<Duration>) -> Label {
    match bound {
        Some(bound) => Label::new("le", bound.as_secs_f64().to_string()),
        None => Label::from_static_parts("le", "+Inf"),
    }
}

fn set_counter(to: &dyn Recorder, name: impl Into<KeyName>, labels: Vec<Label>, value: u64) {
    let counter = to.register_counter(&Key::from_parts(name, labels), &METADATA);
    counter.absolute(value);
}

fn set_gauge(to: &dyn Recorder, name: impl Into<KeyName>, labels: Vec<Label>, value: f64) {
    let gauge = to.register_gauge(&Key::from_parts(name, labels), &METADATA);
    gauge.set(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        let of = |family: &Family| match family.kind {
            Kind::Histogram => ["bucket", "count", "sum"]
                .map(|part| format!("{}_{part}", family.name))
                .to_vec(),
            _ => vec![family.name.to_owned()],
        };
        FAMILIES.iter().flat_map(of).collect()
    }

    #[test]
    fn names_follow_the_conventions_and_are_distinct() {
        for family in FAMILIES {
            let Family { name, kind, .. } = family;
            assert!(name.starts_with("cede_"));
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(
                name.ends_with("_bytes"),
                family.unit == Unit::Bytes,
                "{name}"
            );
            assert_eq!(
                name.ends_with("_seconds"),
                family.unit == Unit::Seconds,
                "{name}"
            );
        }
        let mut distinct = names();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), names().len());
    }

    #[test]
    fn what_the_docs_tell_to_watch_is_published() {
        let docs = include_str!("../production.rs");
        let words = docs.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: Vec<_> = words.filter(|word| word.starts_with("cede_")).collect();
        assert!(!named.is_empty());
        for name in named {
            assert!(names().iter().any(|published| published == name), "{name}");
        }
    }
}
