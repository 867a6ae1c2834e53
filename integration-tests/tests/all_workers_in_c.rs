//! C may hold every worker at once: callbacks, timers and other tasks run all the same.
//!
//! In each test C waits at a gate that only the work in question opens.

use cede::Registered;
use cede_fixtures::{Crowd, Gate, foreign};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, later, under_c, workers};
use std::ffi::c_int;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// As many calls at the gate as there are workers, and some more; then `opens`, as a task.
fn all_wait_for<F>(what: &'static str, opens: impl Fn(Arc<Gate>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let _watchdog = Watchdog::new(what);
    for count in [1, 2, 4] {
        let runtime = workers(count);
        let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
        let waiting: Vec<_> = (0..count + 2)
            .map(|_| {
                let (gate, crowd) = (gate.clone(), crowd.clone());
                runtime.spawn(async move { cede::call(|| crowd.wait_at(&gate)).await })
            })
            .collect();
        assert!(crowd.await_inside(count + 2, PATIENCE));
        let opening = runtime.spawn(opens(gate.clone()));
        runtime.block_on(async {
            for task in waiting {
                task.await.unwrap();
            }
            opening.await.unwrap();
        });
        assert!(gate.is_open());
    }
}

#[test]
fn a_callback_runs() {
    all_wait_for("a callback", async |gate: Arc<Gate>| {
        let opens = || under_c(|| cede::callback(async { gate.open() }));
        assert_eq!(cede::call(opens).await, Ok(()));
    });
}

#[test]
fn a_callback_that_waits_for_a_timer_runs() {
    all_wait_for("a callback with a timer", async |gate: Arc<Gate>| {
        let opens = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            gate.open();
        };
        assert_eq!(
            cede::call(|| under_c(|| cede::callback(opens))).await,
            Ok(())
        );
    });
}

/// Each of them parks one more thread.
#[test]
fn callbacks_that_wait_for_other_tasks_run() {
    all_wait_for("callbacks with tasks", async |gate: Arc<Gate>| {
        let asks = |depth: u32| async move {
            let task = tokio::spawn(async move { depth * 2 });
            cede::call(|| under_c(|| cede::callback(async { task.await.unwrap() }))).await
        };
        for depth in 0..10 {
            assert_eq!(asks(depth).await, Ok(depth * 2));
        }
        gate.open();
    });
}

#[test]
fn a_timer_fires() {
    all_wait_for("a timer", async |gate: Arc<Gate>| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        gate.open();
    });
}

/// The threads are C's own, so each callback is a task, with no worker that is not in C.
#[test]
fn callbacks_from_foreign_threads_run() {
    all_wait_for("callbacks from foreign threads", async |gate: Arc<Gate>| {
        let opens = gate.clone();
        let registered = Registered::new(-1, move |n: c_int| {
            let opens = opens.clone();
            async move {
                later().await;
                if n == 0 {
                    opens.open();
                }
                1
            }
        });
        // SAFETY: the function may be called on any thread, with this data.
        let run = || unsafe { foreign::run(registered.data_first(), registered.data(), 8, 4) };
        assert_eq!(cede::call(run).await, 32);
    });
}

/// The calls at the gate are those that have to wait for the callback: it comes in the midst of each.
#[test]
fn callbacks_of_the_calls_themselves_run() {
    let _watchdog = Watchdog::new("calls that open the gate for each other");
    for count in [1, 2, 4] {
        let runtime = workers(count);
        let gates: Vec<_> = (0..=count).map(|_| Arc::new(Gate::new())).collect();
        let calls: Vec<_> = (0..=count)
            .map(|number| {
                let mine = gates[number].clone();
                let next = gates.get(number + 1).cloned();
                runtime.spawn(async move {
                    cede::call(|| {
                        mine.wait();
                        under_c(|| {
                            cede::callback(async {
                                later().await;
                                if let Some(next) = next {
                                    next.open();
                                }
                            })
                        })
                    })
                    .await
                })
            })
            .collect();
        runtime.block_on(async {
            gates[0].open();
            for call in calls {
                assert_eq!(call.await.unwrap(), Ok(()));
            }
        });
    }
}
