//! Never are more tasks being polled than there are workers, calls in C aside.
//!
//! Every task here is counted in all of its polls, but not while it is in C.

use cede_fixtures::time::spin_us;
use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::PATIENCE;
use cede_integration_tests::meter::Meter;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::runtime::Runtime;
use tokio::task::yield_now;

/// Tasks that take no other break than to yield, one more than there are workers.
fn busy_tasks(runtime: &Runtime, meter: &Arc<Meter>, over: &Arc<AtomicBool>) {
    for _ in 0..=runtime.metrics().num_workers() {
        let over = over.clone();
        runtime.spawn(meter.count(|_| async move {
            while !over.load(Ordering::SeqCst) {
                spin_us(30);
                yield_now().await;
            }
        }));
    }
}

#[test]
fn when_many_long_calls_return_at_once() {
    let _watchdog = Watchdog::new("many long calls return at once");
    const CALLS: usize = 64;
    for _ in 0..5 {
        let runtime = workers(2);
        let (meter, over) = (Meter::new(), Arc::default());
        let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let (gate, crowd) = (gate.clone(), crowd.clone());
                runtime.spawn(meter.count(|seat| async move {
                    seat.call(cede::call(|| crowd.wait_at(&gate))).await;
                    for _ in 0..5 {
                        spin_us(200);
                        yield_now().await;
                    }
                }))
            })
            .collect();
        busy_tasks(&runtime, &meter, &over);
        assert!(crowd.await_inside(CALLS, PATIENCE));
        gate.open();
        runtime.block_on(async {
            for call in calls {
                call.await.unwrap();
            }
        });
        over.store(true, Ordering::SeqCst);
        drop(runtime);
        assert!(meter.most() <= 2, "{} tasks at once", meter.most());
    }
}

/// `tasks` tasks make `calls` calls each, of lengths about the time that it takes the monitor to come round. Returns the most
/// tasks that were polled at once.
fn calls_about_as_long_as_the_monitors_period(
    runtime: &Runtime,
    tasks: u32,
    calls: u32,
    in_scope: bool,
) -> usize {
    let (meter, over) = (Meter::new(), Arc::default());
    let right = Arc::new(AtomicU32::new(0));
    let callers: Vec<_> = (0..tasks)
        .map(|task| {
            let right = right.clone();
            let task = meter.count(|seat| async move {
                for call in 0..calls {
                    let us = 60 + (task * 37 + call * 61) % 240;
                    let returned = seat
                        .call(cede::call(|| {
                            spin_us(us);
                            call
                        }))
                        .await;
                    right.fetch_add(u32::from(returned == call), Ordering::SeqCst);
                    spin_us(20);
                }
            });
            if in_scope {
                runtime.spawn(cede::scope(task))
            } else {
                runtime.spawn(task)
            }
        })
        .collect();
    busy_tasks(runtime, &meter, &over);
    runtime.block_on(async {
        for caller in callers {
            caller.await.unwrap();
        }
    });
    over.store(true, Ordering::SeqCst);
    assert_eq!(right.load(Ordering::SeqCst), tasks * calls);
    meter.most()
}

#[test]
fn when_retakes_race_with_returns() {
    let _watchdog = Watchdog::new("retakes race with returns");
    for threads in [1, 2] {
        let most = calls_about_as_long_as_the_monitors_period(&workers(threads), 4, 1000, false);
        assert!(most <= threads, "{most} tasks at once on {threads} workers");
    }
}

/// Results only: a thread that returns from C may take the core out of a scope's frame, and then polls beside the scope for
/// the rest of the scope's poll, as `cede::scope` says.
#[test]
fn results_are_right_when_retakes_race_with_returns_in_a_scope() {
    let _watchdog = Watchdog::new("retakes race with returns in a scope");
    for threads in [1, 2] {
        calls_about_as_long_as_the_monitors_period(&workers(threads), 4, 1000, true);
    }
}

/// A brief `block_in_place` queues a job that will take whatever core it finds in the worker's cell, also one that
/// lies there because of a call. The tasks that do so are not counted: tokio itself lets them go on without a core.
///
/// Not in a scope: within its frame nobody can tell that the core was taken.
#[test]
fn when_others_use_block_in_place() {
    let _watchdog = Watchdog::new("others use block_in_place");
    for runtime in [workers(1), workers(2)] {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..2 {
            let over = over.clone();
            runtime.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    tokio::task::block_in_place(|| ());
                    yield_now().await;
                }
            });
        }
        calls_about_as_long_as_the_monitors_period(&runtime, 3, 500, false);
        over.store(true, Ordering::SeqCst);
    }
}
