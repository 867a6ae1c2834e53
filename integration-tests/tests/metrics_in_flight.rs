//! What is in flight is seen where it is, from another thread, and is gone when C has returned; the stacks it uses too.

use cede::{Lane, Metrics, Refused};
use cede_fixtures::Crowd;
use cede_fixtures::Gate;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{PATIENCE, block_on, polled, workers};
use std::sync::Arc;
use std::thread;
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

/// On stacks that the thread has at hand, and one under another.
fn calls_on_idle_stacks_are_in_flight() {
    let (gate, crowd) = (Gate::new(), Crowd::new());
    let before = cede::metrics();
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            block_on(async {
                // Leaves two stacks behind.
                let nested = cede::call(|| cede::callback(cede::call(|| ())).unwrap());
                nested.await;
                cede::call(|| cede::callback(cede::call(|| crowd.wait_at(&gate))).unwrap()).await;
            });
        });
        assert!(crowd.await_inside(1, PATIENCE));
        let seen = cede::metrics();
        gate.open();
        seen
    });
    assert_eq!(seen.in_place_calls - before.in_place_calls, 2);
    assert_eq!(seen.stacks_in_use - before.stacks_in_use, 2);
}

/// C goes on in the drop, until it returns.
fn a_call_that_is_dropped_is_in_flight() {
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    let (at_gate, inside) = (gate.clone(), crowd.clone());
    let call = cede::call(move || {
        let refused = cede::callback(std::future::pending::<()>());
        assert_eq!(refused, Err(Refused::Cancelled));
        inside.wait_at(&at_gate);
    });
    // SAFETY: nothing of C's frames is bound to a thread; the call is not forgotten.
    let mut call = Box::pin(unsafe { call.migratable() });
    assert!(block_on(polled(call.as_mut())).is_pending());
    let before = cede::metrics();
    assert_eq!([before.suspended_calls, before.stacks_in_use], [1, 1]);
    let seen = thread::scope(|scope| {
        scope.spawn(|| drop(call));
        assert!(crowd.await_inside(1, PATIENCE));
        let seen = cede::metrics();
        gate.open();
        seen
    });
    assert_eq!([seen.suspended_calls, seen.stacks_in_use], [0, 1]);
    assert_eq!(seen.in_place_calls - before.in_place_calls, 1);
    assert_eq!(cede::metrics().in_flight(), 0);
}

/// One test: it counts what the process does.
#[test]
fn calls_are_in_flight_until_c_returns() {
    let _watchdog = Watchdog::new("metrics in flight");
    calls_on_idle_stacks_are_in_flight();
    a_call_that_is_dropped_is_in_flight();
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
    // Those that are not in C yet.
    let all_are_there = || {
        let seen = cede::metrics();
        (seen.suspended_calls, seen.lane_calls_waiting) == (1, 3)
    };
    assert!(eventually(all_are_there));

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
    assert!(eventually(|| cede::metrics().stacks <= 64));
    assert_eq!(cede::metrics().stacks_in_use, 0);
}
