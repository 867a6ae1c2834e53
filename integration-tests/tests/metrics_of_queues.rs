//! What is offloaded is timed, in line and in C apart.

use cede::{Histogram, Lane};
use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest of its durations lies in a bucket between these two.
fn longest_within(seen: &Histogram, least: Duration, most: Duration) -> bool {
    let longest = seen.quantile(1.0).unwrap();
    least <= longest && longest <= most * 2
}

/// One test: it counts what the process does.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_thread_is_not_being_in_c() {
    let _watchdog = Watchdog::new("metrics of queues");
    let lane = Lane::new("queue").unwrap();
    let gate = Arc::new(Gate::new());
    let began = Instant::now();
    let first = tokio::spawn({
        let gate = gate.clone();
        cede::offload(move || gate.wait()).on_lane(&lane)
    });
    while lane.running() == 0 {
        tokio::task::yield_now().await;
    }
    let mut second = cede::offload(|| ()).on_lane(&lane);
    second.try_start().unwrap();
    let queued = Instant::now();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(cede::metrics().lane_queue_wait.count(), 1, "the first one");
    assert_eq!(cede::metrics().call_duration.lane.count(), 0);
    let waited = queued.elapsed();
    gate.open();
    first.await.unwrap();
    second.await;
    let in_all = began.elapsed();
    let seen = cede::metrics();
    assert_eq!((seen.calls.lane, seen.calls.offloaded), (2, 0));
    assert_eq!(
        (
            seen.lane_queue_wait.count(),
            seen.call_duration.lane.count()
        ),
        (2, 2)
    );
    assert!(longest_within(&seen.lane_queue_wait, waited, in_all));
    assert!(longest_within(&seen.call_duration.lane, waited, in_all));
    // The first was in C when the second began to wait, and the second when the first was through.
    assert!(seen.lane_queue_wait.sum() <= in_all);
    assert!(seen.call_duration.lane.sum() <= in_all);

    let began = Instant::now();
    cede::offload(|| std::thread::sleep(Duration::from_millis(20))).await;
    let seen = cede::metrics();
    assert_eq!(
        (seen.calls.offloaded, seen.offload_queue_wait.count()),
        (1, 1)
    );
    let durations = &seen.call_duration.offloaded;
    assert_eq!(durations.count(), 1);
    assert!(longest_within(
        durations,
        Duration::from_millis(20),
        began.elapsed()
    ));

    // One that is taken back from the line has never begun.
    let gate = Arc::new(Gate::new());
    let blocks = cede::offload({
        let gate = gate.clone();
        move || gate.wait()
    });
    let blocks = tokio::spawn(blocks.on_lane(&lane));
    while lane.running() == 0 {
        tokio::task::yield_now().await;
    }
    let mut withdrawn = cede::offload(|| ()).on_lane(&lane);
    withdrawn.try_start().unwrap();
    drop(withdrawn);
    gate.open();
    blocks.await.unwrap();
    assert_eq!(cede::metrics().calls.lane, 3);
}
