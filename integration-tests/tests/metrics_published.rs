//! What is published is what `metrics` shows, under the names, kinds, units and labels that are documented.

use cede::{Histogram, Lane, Metrics, Overflow, Registered, Reply, publish_metrics};
use cede_fixtures::{Crowd, Gate, foreign};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, on_worker, polled, workers};
use metrics::{Unit, with_local_recorder};
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, mpsc};

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

    let runtime = workers(2);
    let _going_on = runtime.block_on(something_of_everything());
    check_everything();
}

/// Calls that are in C until this is dropped.
struct GoingOn {
    on_lane: Option<mpsc::Sender<()>>,
    abandoned: Arc<Gate>,
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        self.on_lane = None;
        self.abandoned.open();
    }
}

/// Has each thing happen so often that none is mistaken for another.
async fn something_of_everything() -> GoingOn {
    let reply = Reply {
        taken: 0,
        refused: -1,
    };
    let (registered, mut events) =
        Registered::<fn(c_int) -> c_int>::stream(1, Overflow::Refuse, reply, |n: c_int| n);
    let (function, data) = (registered.data_first(), registered.data());
    let replies = [0; 4].map(|n| function(data, n));
    assert_eq!(replies, [0, -1, -1, -1]);
    drop(registered);
    assert_eq!([0; 2].map(|n| function(data, n)), [-1; 2], "late");
    assert_eq!(events.recv().await, Some(0));

    let registered: Registered<fn(c_int) -> c_int> = Registered::new(-1, |n| async move { n });
    // SAFETY: the function may be called on any thread, with this data.
    let sum = unsafe { foreign::run(registered.data_first(), registered.data(), 1, 5) };
    assert_eq!(sum, 10);
    std::mem::forget(registered);

    let call = cede::call(|| {
        cede::callback(async { panic!("on purpose") }).unwrap_err();
        for _ in 0..4 {
            cede::callback(async {}).unwrap_err();
        }
    });
    let outcome = futures::FutureExt::catch_unwind(AssertUnwindSafe(call)).await;
    assert!(outcome.is_err());

    // Eight in line, two at a time; six are awaited no more.
    let lane = Lane::builder("busy").threads(2).start().unwrap();
    let (go_on, told) = mpsc::channel::<()>();
    let told = Arc::new(Mutex::new(told));
    for _ in 0..8 {
        let told = told.clone();
        let call = cede::offload(move || assert!(told.lock().unwrap().recv().is_err()));
        tokio::spawn(call.on_lane(&lane));
    }
    let gate = Arc::new(Gate::new());
    let crowd = Arc::new(Crowd::new());
    let mut abandoned = Vec::new();
    for _ in 0..6 {
        let (gate, crowd) = (gate.clone(), crowd.clone());
        let mut call = Box::pin(cede::offload(move || crowd.wait_at(&gate)));
        assert!(polled(call.as_mut()).await.is_pending());
        abandoned.push(call);
    }
    assert!(crowd.await_inside(6, PATIENCE));
    drop(abandoned);
    while (lane.running(), lane.waiting()) != (2, 6) {
        tokio::task::yield_now().await;
    }
    std::mem::forget(lane);
    GoingOn {
        on_lane: Some(go_on),
        abandoned: gate,
    }
}

/// All that is published but the histograms, as it should be.
fn expected(seen: &Metrics) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, labels: &str, value: f64| {
        let before = all.insert(format!("cede_{name}{{{labels}}}"), value);
        assert!(before.is_none());
    };
    for (mode, &calls) in seen.calls.iter() {
        put("calls_total", &format!("mode={mode}"), calls as f64);
    }
    for (kind, frames) in seen.reacquires.iter() {
        put("reacquires_total", &format!("kind={kind}"), frames as f64);
    }
    for (name, value) in [
        ("calls_abandoned_total", seen.abandoned_calls_ever),
        ("callbacks_total", seen.callbacks),
        ("callbacks_waited_total", seen.callbacks_waited),
        ("callbacks_foreign_total", seen.foreign_callbacks),
        ("callbacks_late_total", seen.late_callbacks),
        ("callbacks_refused_total", seen.refusals),
        ("callbacks_panicked_total", seen.panics),
        ("events_dropped_total", seen.dropped_events),
        ("retakes_total", seen.retakes),
        ("hand_offs_total", seen.hand_offs),
        ("slots_kept_total", seen.kept_slots),
        ("standby_threads_started_total", seen.standby_threads_ever),
        ("stacks_leaked_total", seen.leaked_stacks),
    ] {
        put(name, "", value as f64);
    }
    for (name, labels, value) in [
        ("calls_in_flight", "place=in_place", seen.in_place_calls),
        ("calls_in_flight", "place=suspended", seen.suspended_calls),
        ("calls_in_flight", "place=offloaded", seen.offloaded_calls),
        ("calls_abandoned", "", seen.abandoned_calls),
        ("standby_threads", "", seen.standby_threads),
        ("stacks", "state=in_use", seen.stacks_in_use),
        ("stacks", "state=cached", seen.stacks_cached),
        ("stacks_peak", "", seen.stacks_peak),
        ("stack_mapped_bytes", "", seen.stack_bytes_mapped),
        ("stack_mapped_peak_bytes", "", seen.stack_bytes_mapped_peak),
        ("registrations", "", seen.registrations),
        ("lane_calls_waiting", "lane=busy", 6),
        ("lane_calls_running", "lane=busy", 2),
        ("lane_threads", "lane=busy", 2),
        ("lane_calls_waiting", "lane=twice", 0),
        ("lane_calls_running", "lane=twice", 0),
        ("lane_threads", "lane=twice", 0),
    ] {
        put(name, labels, value as f64);
    }
    all
}

/// Every series of a histogram, which begins with this.
fn check_histogram(all: &mut Published, name: &str, label: &str, seen: &Histogram) {
    let (first, only) = match label {
        "" => (String::new(), String::new()),
        label => (format!("{label},"), label.to_owned()),
    };
    let mut take = |part: &str, labels: &str| {
        let (_, _, value) = all.remove(&format!("cede_{name}_seconds_{part}{{{labels}}}"))?;
        Some(number(&value))
    };
    for (bound, _) in seen.buckets() {
        let up_to = seen.buckets().take_while(|(other, _)| match bound {
            Some(bound) => other.is_some_and(|other| other <= bound),
            None => true,
        });
        let up_to: u64 = up_to.map(|(_, count)| count).sum();
        let le = bound.map_or("+Inf".into(), |bound| bound.as_secs_f64().to_string());
        let bucket = take("bucket", &format!("{first}le={le}"));
        assert_eq!(bucket, Some(up_to as f64), "{name} {label} {le}");
    }
    assert_eq!(take("count", &only), Some(seen.count() as f64));
    assert_eq!(take("sum", &only), Some(seen.sum().as_secs_f64()));
}

fn number(value: &DebugValue) -> f64 {
    match value {
        DebugValue::Counter(count) => *count as f64,
        DebugValue::Gauge(value) => value.into_inner(),
        DebugValue::Histogram(_) => panic!("none of ours"),
    }
}

fn check_everything() {
    let (mut all, seen) = (published(), cede::metrics());
    for (mode, durations) in seen.call_duration.iter() {
        if durations.count() > 0 {
            check_histogram(
                &mut all,
                "call_duration",
                &format!("mode={mode}"),
                durations,
            );
        }
    }
    check_histogram(
        &mut all,
        "queue_wait",
        "mode=offloaded",
        &seen.offload_queue_wait,
    );
    check_histogram(&mut all, "queue_wait", "mode=lane", &seen.lane_queue_wait);
    check_histogram(&mut all, "slot_wait", "", &seen.slot_wait);
    let all = all
        .iter()
        .map(|(name, (_, _, value))| (name.clone(), number(value)));
    assert_eq!(all.collect::<BTreeMap<_, _>>(), expected(&seen));
    let told = [
        seen.late_callbacks,
        seen.dropped_events,
        seen.foreign_callbacks,
        seen.abandoned_calls_ever,
        seen.refusals,
        seen.panics,
    ];
    assert_eq!(told, [2, 3, 5, 6, 7, 1], "none is mistaken for another");
    assert_ne!(
        seen.offload_queue_wait.count(),
        seen.lane_queue_wait.count()
    );
    assert_eq!(seen.offloaded_calls, 14);
}

fn without_a_recorder() {
    publish_metrics();
}
