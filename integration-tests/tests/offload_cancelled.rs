//! A call is cancelled from anywhere, and ends with what C returned; a hook interrupts this call and no other.

use cede::{Cancel, Lane, Refused, offload};
use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_worker, under_c};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use tokio::sync::oneshot;

#[test]
fn before_c_has_begun_it_does_not_run() {
    let _watchdog = Watchdog::new("a cancelled call");
    on_worker(1, async {
        let lane = Lane::new("busy").unwrap();
        let gate = Arc::new(Gate::new());
        let (in_c, is_in_c) = oneshot::channel();
        let mut blocks = {
            let gate = gate.clone();
            let work = move || {
                in_c.send(()).unwrap();
                gate.wait();
            };
            offload(work).on_lane(&lane)
        };
        blocks.try_start().unwrap();
        is_in_c.await.unwrap();
        let witness = Arc::new(());
        for begun in [false, true] {
            let held = witness.clone();
            let (canceller, mut call) = offload(move || held).on_lane(&lane).cancellable();
            if begun {
                call.try_start().unwrap();
            }
            assert_eq!(Arc::strong_count(&witness), 2);
            canceller.cancel();
            canceller.clone().cancel();
            assert_eq!(
                Arc::strong_count(&witness),
                1,
                "dropped by the one who cancels"
            );
            assert!(call.await.unwrap_err().is_cancelled());
        }
        assert_eq!(lane.waiting(), 0);
        gate.open();
        blocks.await;
    });
}

#[test]
fn what_c_returns_is_delivered_all_the_same() {
    let _watchdog = Watchdog::new("a cancelled call");
    on_worker(1, async {
        let gate = Arc::new(Gate::new());
        let (in_c, is_in_c) = oneshot::channel();
        let (canceller, mut call) = {
            let gate = gate.clone();
            let work = move || {
                in_c.send(()).unwrap();
                gate.wait();
                under_c(|| cede::callback(async {}))
            };
            offload(work).cancellable()
        };
        call.try_start().unwrap();
        is_in_c.await.unwrap();
        canceller.cancel();
        gate.open();
        assert_eq!(call.await, Ok(Err(Refused::Cancelled)));
        canceller.cancel();
    });
}

#[test]
fn a_callback_that_c_waits_for_is_refused_at_once() {
    let _watchdog = Watchdog::new("a cancelled call");
    on_worker(1, async {
        let (asked, is_asked) = oneshot::channel();
        let witness = Arc::new(());
        let held = witness.clone();
        let (canceller, call) = offload(move || {
            under_c(|| {
                cede::callback(async move {
                    let _held = held;
                    asked.send(()).unwrap();
                    pending::<()>().await;
                })
            })
        })
        .cancellable();
        let cancels = async {
            is_asked.await.unwrap();
            thread::spawn(move || canceller.cancel()).join().unwrap();
            assert_eq!(Arc::strong_count(&witness), 1, "dropped by then");
        };
        let (returned, ()) = tokio::join!(call, cancels);
        assert_eq!(returned, Ok(Err(Refused::Cancelled)));
    });
}

/// The task is polling the future when it is cancelled: by itself, from within.
#[test]
fn a_callback_may_cancel_its_own_call() {
    let _watchdog = Watchdog::new("a cancelled call");
    on_worker(1, async {
        for is_ready in [false, true] {
            let (send, receive) = oneshot::channel::<cede::Canceller>();
            let (canceller, call) = offload(move || {
                let first = under_c(|| {
                    cede::callback(async move {
                        receive.await.unwrap().cancel();
                        if !is_ready {
                            pending::<()>().await;
                        }
                    })
                });
                (first, under_c(|| cede::callback(async {})))
            })
            .cancellable();
            send.send(canceller).unwrap();
            let first = if is_ready {
                Ok(())
            } else {
                Err(Refused::Cancelled)
            };
            assert_eq!(call.await, Ok((first, Err(Refused::Cancelled))));
        }
    });
}

#[test]
fn a_hook_runs_until_c_has_returned_and_never_after() {
    let _watchdog = Watchdog::new("an interrupted call");
    on_worker(1, async {
        let late = Arc::new(AtomicU32::new(0));
        for _ in 0..200 {
            let in_c = Arc::new(AtomicBool::new(false));
            let hits = Arc::new(AtomicU32::new(0));
            let late = late.clone();
            let (begun, begins) = oneshot::channel();
            let hook = {
                let (in_c, hits) = (in_c.clone(), hits.clone());
                move || {
                    if !in_c.load(Ordering::SeqCst) {
                        late.fetch_add(1, Ordering::SeqCst);
                    }
                    hits.fetch_add(1, Ordering::SeqCst);
                }
            };
            // Counted down: the first hits come to nothing, as if C had not got there yet.
            let work = {
                let (in_c, hits) = (in_c.clone(), hits.clone());
                move || {
                    in_c.store(true, Ordering::SeqCst);
                    let _ = begun.send(());
                    while hits.load(Ordering::SeqCst) < 2 {
                        thread::yield_now();
                    }
                    // What is left of C, for a hook to hit.
                    thread::yield_now();
                    OnReturn(in_c)
                }
            };
            let call = offload(work).on_cancel(Cancel::interrupt(hook));
            tokio::select! {
                _ = call => panic!("C waits to be interrupted"),
                begins = begins => begins.unwrap(),
            }
        }
        cede::drain(cede_integration_tests::PATIENCE).await.unwrap();
        assert_eq!(late.load(Ordering::SeqCst), 0, "hits when C did not run");
    });

    /// Dropped when C has returned.
    struct OnReturn(Arc<AtomicBool>);
    impl Drop for OnReturn {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_hook_does_not_run_for_a_call_that_is_not_cancelled() {
    on_worker(1, async {
        let hits = Arc::new(AtomicU32::new(0));
        let hook = || {
            let hits = hits.clone();
            move || {
                hits.fetch_add(1, Ordering::SeqCst);
            }
        };
        let call = offload(|| 3).on_cancel(Cancel::interrupt(hook()));
        assert_eq!(call.await, 3);
        let (canceller, call) = offload(|| 3)
            .on_cancel(Cancel::interrupt(hook()))
            .cancellable();
        assert_eq!(call.await, Ok(3));
        canceller.cancel();
        assert_eq!(hits.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_hook_that_panics_hurts_nobody() {
    let _watchdog = Watchdog::new("an interrupted call");
    on_worker(1, async {
        let stop = Arc::new(AtomicBool::new(false));
        let (in_c, is_in_c) = oneshot::channel();
        let hook = {
            let stop = stop.clone();
            move || {
                stop.store(true, Ordering::SeqCst);
                panic!("in a hook");
            }
        };
        let work = move || {
            in_c.send(()).unwrap();
            while !stop.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            4
        };
        let (canceller, mut call) = offload(work)
            .on_cancel(Cancel::interrupt(hook))
            .cancellable();
        call.try_start().unwrap();
        is_in_c.await.unwrap();
        canceller.cancel();
        assert_eq!(call.await, Ok(4));
    });
}
