//! A runtime that ends with offloaded calls in line, in C, and waiting for callbacks: nothing hangs, and C is told.

use cede::{Refused, offload};
use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, block_on, polled, under_c};
use std::future::pending;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

fn both(threads: usize) -> [Runtime; 2] {
    let multi = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(threads)
        .build();
    let current = Builder::new_current_thread()
        .max_blocking_threads(threads)
        .build();
    [multi.unwrap(), current.unwrap()]
}

#[test]
fn what_is_in_c_is_waited_for_and_what_is_in_line_is_not_run() {
    let _watchdog = Watchdog::new("shutdown");
    for runtime in both(1) {
        let place = Arc::new((Gate::new(), Crowd::new()));
        let witness = Arc::new(());
        for _ in 0..2 {
            let (place, held) = (place.clone(), witness.clone());
            runtime.spawn(offload(move || {
                place.1.wait_at(&place.0);
                held
            }));
        }
        runtime.block_on(async {
            while place.1.inside() == 0 {
                tokio::task::yield_now().await
            }
        });
        let opener = thread::spawn({
            let place = place.clone();
            move || {
                // The closure of the one in line is dropped with its task.
                place.0.wait_for(Duration::from_millis(50));
                place.0.open();
            }
        });
        drop(runtime);
        assert_eq!(place.1.inside(), 0, "the drop has waited for C");
        assert_eq!(place.1.total(), 1);
        assert_eq!(Arc::strong_count(&witness), 1);
        opener.join().unwrap();
    }
}

#[test]
fn a_shutdown_with_a_limit_does_not_wait_for_c() {
    let _watchdog = Watchdog::new("shutdown");
    for runtime in both(1) {
        let place = Arc::new((Gate::new(), Crowd::new()));
        let held = place.clone();
        runtime.spawn(offload(move || held.1.wait_at(&held.0)));
        runtime.block_on(async {
            while place.1.inside() == 0 {
                tokio::task::yield_now().await
            }
        });
        runtime.shutdown_timeout(Duration::from_millis(5));
        assert_eq!(place.1.inside(), 1);
        place.0.open();
    }
    block_on(cede::drain(PATIENCE)).unwrap();
}

/// Once dropped with its task, once forgotten.
#[test]
fn a_callback_that_c_waits_for_is_refused() {
    let _watchdog = Watchdog::new("shutdown");
    for forgotten in [false, true] {
        for runtime in both(1) {
            let (report, reports) = channel();
            let asked = Arc::new(Notify::new());
            let call = {
                let asked = asked.clone();
                offload(move || {
                    let first = under_c(|| {
                        cede::callback(async move {
                            asked.notify_one();
                            pending::<()>().await;
                        })
                    });
                    let later = under_c(|| cede::callback(async {}));
                    report.send((first, later)).unwrap();
                })
            };
            runtime.block_on(async {
                let mut call = Box::pin(call);
                tokio::select! {
                    () = call.as_mut() => panic!("C waits for ever"),
                    () = asked.notified() => {}
                }
                if forgotten {
                    std::mem::forget(call);
                } else {
                    tokio::spawn(call);
                }
            });
            drop(runtime);
            let told = reports.try_recv().expect("the drop has waited for C");
            assert_eq!(told, (Err(Refused::Cancelled), Err(Refused::Cancelled)));
        }
    }
}

/// C calls back for the first time when its runtime is shutting down already.
#[test]
fn a_first_callback_that_comes_too_late_is_refused() {
    let _watchdog = Watchdog::new("shutdown");
    for runtime in both(2) {
        let gate = Arc::new(Gate::new());
        let (report, reports) = channel();
        runtime.block_on(async {
            let gate = gate.clone();
            let mut call = Box::pin(offload(move || {
                gate.wait();
                report.send(under_c(|| cede::callback(async {}))).unwrap();
            }));
            assert!(polled(call.as_mut()).await.is_pending());
            std::mem::forget(call);
        });
        let (shut, is_shut) = channel();
        let dropper = thread::spawn(move || {
            runtime.shutdown_background();
            shut.send(()).unwrap();
        });
        is_shut.recv().unwrap();
        dropper.join().unwrap();
        gate.open();
        assert_eq!(reports.recv().unwrap(), Err(Refused::Cancelled));
    }
}

#[test]
fn a_call_after_the_end_of_its_runtime_says_so() {
    let _watchdog = Watchdog::new("shutdown");
    for runtime in both(1) {
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        let (_, call) = offload(|| ()).cancellable();
        assert!(block_on(call).unwrap_err().is_discarded());
        let panics = std::panic::catch_unwind(|| block_on(offload(|| ())));
        let message = *panics.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("the runtime shuts down"), "{message}");
    }
}
