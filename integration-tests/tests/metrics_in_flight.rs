//! What is in flight is seen where it is, from another thread, and is gone when C has returned; the stacks it uses too.

use cede::{Lane, Metrics};
use cede_fixtures::Crowd;
use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, workers};
use std::sync::Arc;
use tokio::sync::oneshot;

fn places(seen: &Metrics) -> [usize; 5] {
    [
        seen.in_place_calls,
        seen.suspended_calls,
        seen.offloaded_calls,
        seen.stacks_in_use,
        seen.in_flight(),
    ]
}

/// One test: it counts what the process does.
#[test]
fn calls_are_in_flight_until_c_returns() {
    let _watchdog = Watchdog::new("metrics in flight");
    let runtime = workers(2);
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    let lane = Lane::builder("in flight").threads(2).start().unwrap();
    let at_gate = || {
        let (gate, crowd) = (gate.clone(), crowd.clone());
        move || crowd.wait_at(&gate)
    };
    let mut tasks = vec![
        runtime.spawn(cede::call(at_gate())),
        runtime.spawn(cede::call(at_gate()).long()),
        runtime.spawn(cede::call(at_gate()).long().stack_size(64 << 10)),
        runtime.spawn(cede::call(at_gate()).long().on_thread_stack()),
        runtime.spawn(cede::scope(cede::call(at_gate()).long())),
        // SAFETY: it makes no callback.
        runtime.spawn(unsafe { cede::call(at_gate()).long().migratable() }),
        runtime.spawn(cede::offload(at_gate())),
    ];
    tasks.extend((0..5).map(|_| runtime.spawn(cede::offload(at_gate()).on_lane(&lane))));
    // One that is in C under another's callback: two.
    let inner = cede::call(at_gate()).long();
    let nested = cede::call(move || cede::callback(inner).unwrap());
    tasks.push(runtime.spawn(nested));
    let (answer, waits) = oneshot::channel();
    let call = cede::call(move || cede::callback(waits).unwrap().unwrap());
    // SAFETY: nothing of C's frames is bound to a thread.
    let suspended = runtime.spawn(unsafe { call.migratable() });
    assert!(crowd.await_inside(10, PATIENCE));
    let is_suspended = || cede::metrics().suspended_calls == 1;
    assert!(cede_integration_tests::process::eventually(is_suspended));

    let seen = cede::metrics();
    // Seven have a C stack in place, with the one that is nested; one more is suspended.
    assert_eq!(places(&seen), [8, 1, 6, 8, 15], "{seen:?}");
    assert_eq!(seen.stacks, seen.stacks_in_use + seen.stacks_cached);
    let lanes: Vec<_> = seen.lanes.iter().collect();
    let [lane_seen] = lanes[..] else {
        panic!("one lane: {lanes:?}");
    };
    assert_eq!(lane_seen.name, "in flight");
    let numbers = [lane_seen.waiting, lane_seen.running, lane_seen.threads];
    assert_eq!(numbers, [3, 2, 2]);
    assert_eq!([seen.lane_calls_waiting, seen.lane_calls_running], [3, 2]);

    gate.open();
    answer.send(()).unwrap();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
        suspended.await.unwrap();
        cede::drain(PATIENCE).await.unwrap();
        lane.close().await;
    });
    let seen = cede::metrics();
    assert_eq!(places(&seen), [0; 5], "{seen:?}");
    assert!(seen.lanes.is_empty());
    assert_eq!(seen.stacks, seen.stacks_cached);
    assert!(seen.stacks_peak >= 8 && seen.stack_bytes_mapped_peak >= seen.stack_bytes_mapped);
    drop(runtime);
    let threads_gone = cede_integration_tests::process::eventually(|| cede::metrics().stacks <= 64);
    assert!(threads_gone);
    assert_eq!(cede::metrics().stacks_in_use, 0);
}
