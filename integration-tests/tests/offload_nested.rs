//! Callbacks that offload again never run out of threads: the thread that waits for them runs it.

use cede::{Lane, offload};
use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::under_c;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use tokio::runtime::{Builder, Runtime};

/// With a single blocking thread.
fn narrow() -> [Runtime; 2] {
    [
        Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .build()
            .unwrap(),
        Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap(),
    ]
}

/// Calls in callbacks of calls; the threads that C ran on, the outermost last.
fn descend(lane: Option<Lane>, depth: u32) -> Pin<Box<dyn Future<Output = Vec<ThreadId>> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return Vec::new();
        }
        let below = lane.clone();
        let call = offload(move || {
            let below = under_c(|| cede::callback(descend(below, depth - 1)));
            let mut threads = below.unwrap();
            threads.push(thread::current().id());
            threads
        });
        match &lane {
            Some(lane) => call.on_lane(lane).await,
            None => call.await,
        }
    })
}

#[test]
fn one_blocking_thread_is_enough_for_any_depth() {
    let _watchdog = Watchdog::new("nested calls");
    for runtime in narrow() {
        let threads = runtime.block_on(async { tokio::spawn(descend(None, 5)).await.unwrap() });
        assert_eq!(threads.len(), 5);
        assert!(threads.iter().all(|id| *id == threads[0]), "{threads:?}");
    }
}

#[test]
fn a_callback_may_call_its_own_lane() {
    let _watchdog = Watchdog::new("nested calls");
    for threads in [1, 2] {
        let lane = Lane::builder("own")
            .threads(threads)
            .queue(0)
            .start()
            .unwrap();
        for runtime in narrow() {
            let ids = runtime.block_on(descend(Some(lane.clone()), 5));
            assert_eq!(ids.len(), 5);
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }
}

#[test]
fn a_callback_may_call_the_lane_that_its_callers_caller_is_on() {
    let _watchdog = Watchdog::new("nested calls");
    let (a, b) = (Lane::new("a").unwrap(), Lane::new("b").unwrap());
    let [runtime, _] = narrow();
    let (outer, inner) = runtime.block_on(async move {
        let a_again = a.clone();
        let call = offload(move || {
            let via_b = async move {
                let on_b = move || {
                    let on_a = offload(|| thread::current().id()).on_lane(&a_again);
                    under_c(|| cede::callback(on_a)).unwrap()
                };
                offload(on_b).on_lane(&b).await
            };
            (
                thread::current().id(),
                under_c(|| cede::callback(via_b)).unwrap(),
            )
        });
        call.on_lane(&a).await
    });
    assert_eq!(outer, inner);
}

/// Several calls in one callback, by way of a call in place.
#[test]
fn the_calls_of_one_callback_take_turns_on_the_thread_that_waits() {
    let _watchdog = Watchdog::new("nested calls");
    for runtime in narrow() {
        runtime.block_on(async {
            let call = offload(|| {
                let here = thread::current().id();
                let several = async move {
                    let on_this = || offload(move || assert_eq!(thread::current().id(), here));
                    tokio::join!(on_this(), on_this(), on_this());
                    cede::call(|| under_c(|| cede::callback(async { on_this().await }))).await
                };
                under_c(|| cede::callback(several))
            });

            assert!(call.await.is_ok());
        });
    }
}

/// What a callback has begun is run, wherever its future goes.
#[test]
fn a_call_that_outlives_the_callback_is_run_before_c_goes_on() {
    let _watchdog = Watchdog::new("nested calls");
    for runtime in narrow() {
        let awaited = runtime.block_on(async {
            let call = offload(|| {
                let begun = under_c(|| {
                    cede::callback(async {
                        let mut later = offload(|| 7);
                        later.try_start().unwrap();
                        (later,)
                    })
                });
                let (later,) = begun.unwrap();
                later
            });
            call.await.await
        });
        assert_eq!(awaited, 7);
    }
}

/// The outer call is dropped with an inner one in C: the inner one's callbacks are refused too, and both end.
#[test]
fn dropping_the_outer_call_drops_the_inner_ones() {
    let _watchdog = Watchdog::new("nested calls");
    for runtime in narrow() {
        runtime.block_on(async {
            let gate = Arc::new(Gate::new());
            let (report, reports) = std::sync::mpsc::channel();
            let (in_c, is_in_c) = tokio::sync::oneshot::channel();
            let inner = {
                let (gate, report) = (gate.clone(), report.clone());
                offload(move || {
                    in_c.send(()).unwrap();
                    gate.wait();
                    let refused = under_c(|| cede::callback(async {})).unwrap_err();
                    report.send(("inner", refused)).unwrap();
                })
            };
            let outer = offload(move || {
                let refused = under_c(|| cede::callback(inner)).unwrap_err();
                report.send(("outer", refused)).unwrap();
            });
            tokio::select! {
                () = outer => panic!("C waits at the gate"),
                inner_begins = is_in_c => inner_begins.unwrap(),
            }
            assert_eq!(cede::metrics().abandoned_calls, 2);
            gate.open();
            let told: Vec<_> = reports.iter().collect();
            let cancelled = cede::Refused::Cancelled;
            assert_eq!(told, [("inner", cancelled), ("outer", cancelled)]);
            cede::drain(cede_integration_tests::PATIENCE).await.unwrap();
        });
    }
}
