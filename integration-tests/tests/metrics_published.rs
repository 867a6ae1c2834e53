//! What is published is what `metrics` shows, under the names, kinds, units and labels that are documented.

use cede::{Lane, publish_metrics};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use metrics::{Unit, with_local_recorder};
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;

/// By name and labels, as `name{label=value,…}`.
type Published = BTreeMap<String, (MetricKind, Option<Unit>, DebugValue)>;

fn published() -> Published {
    let recorder = DebuggingRecorder::new();
    with_local_recorder(&recorder, publish_metrics);
    let all = recorder.snapshotter().snapshot().into_vec();
    let named = all.into_iter().map(|(key, unit, description, value)| {
        assert!(description.is_some(), "{key:?}");
        let (kind, key) = key.into_parts();
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        (name, (kind, unit, value))
    });
    named.collect()
}

#[track_caller]
fn check_count(all: &Published, name: &str, value: u64) {
    let expected = (
        MetricKind::Counter,
        Some(Unit::Count),
        DebugValue::Counter(value),
    );
    assert_eq!(all.get(name), Some(&expected), "{name}");
}

#[track_caller]
fn check_gauge(all: &Published, name: &str, unit: Unit, value: f64) {
    let expected = (
        MetricKind::Gauge,
        Some(unit),
        DebugValue::Gauge(value.into()),
    );
    assert_eq!(all.get(name), Some(&expected), "{name}");
}

/// One test: it counts what the process does.
#[test]
fn names_kinds_units_and_values_are_as_documented() {
    let _watchdog = Watchdog::new("published metrics");
    let lanes = [(), (), ()].map(|()| Lane::new("twice").unwrap());
    on_worker(1, async {
        for _ in 0..3 {
            cede::call(|| ()).await;
        }
        cede::offload(|| std::thread::sleep(std::time::Duration::from_millis(3))).await;
        let call = cede::call(|| cede::callback(tokio::task::yield_now()));
        call.brief().await.unwrap();
    });
    let (all, seen) = (published(), cede::metrics());
    check_count(&all, "cede_calls_total{mode=in_place}", 3);
    check_count(&all, "cede_calls_total{mode=brief}", 1);
    check_count(&all, "cede_calls_total{mode=lane}", 0);
    check_count(&all, "cede_callbacks_waited_total{}", 1);
    check_count(
        &all,
        "cede_reacquires_total{kind=same_slot}",
        seen.reacquires.same_slot,
    );
    check_gauge(
        &all,
        "cede_calls_in_flight{place=in_place}",
        Unit::Count,
        0.0,
    );
    check_gauge(&all, "cede_lane_threads{lane=twice}", Unit::Count, 3.0);
    let mapped = seen.stack_bytes_mapped as f64;
    check_gauge(&all, "cede_stack_mapped_bytes{}", Unit::Bytes, mapped);

    let durations = &seen.call_duration.offloaded;
    let name = |part: &str| format!("cede_call_duration_seconds_{part}");
    check_count(&all, &name("count{mode=offloaded}"), 1);
    check_count(&all, &name("bucket{mode=offloaded,le=0.002048}"), 0);
    check_count(&all, &name("bucket{mode=offloaded,le=1073.741824}"), 1);
    check_count(&all, &name("bucket{mode=offloaded,le=+Inf}"), 1);
    let sum = durations.sum().as_secs_f64();
    check_gauge(&all, &name("sum{mode=offloaded}"), Unit::Seconds, sum);
    assert!(
        !all.contains_key(&name("count{mode=lane}")),
        "none was timed"
    );

    drop(lanes);
    while !cede::metrics().lanes.is_empty() {
        std::thread::yield_now();
    }
    check_gauge(
        &published(),
        "cede_lane_threads{lane=twice}",
        Unit::Count,
        0.0,
    );
    without_a_recorder();
}

fn without_a_recorder() {
    publish_metrics();
}
