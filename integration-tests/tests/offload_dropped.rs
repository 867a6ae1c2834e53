//! An offloaded call may be dropped at any moment: nothing waits, nothing leaks, and the counters agree.
//!
//! In a process of its own, since the counters are the process's. One test at a time, for the same reason.

use cede::{Refused, metrics, offload};
use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, polled, under_c, workers};
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use tokio::runtime::Builder;
use tokio::sync::Notify;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// So many calls are in C at once; the rest is in line.
const THREADS: usize = 64;
const CALLS: usize = 10_000;

/// What every call holds on to: closures, results and futures are counted by it.
type Witness = Arc<()>;

fn assert_agreement() {
    let seen = metrics();
    assert!(seen.abandoned_calls <= seen.offloaded_calls, "{seen:?}");
    assert!(
        seen.abandoned_calls as u64 <= seen.abandoned_calls_ever,
        "{seen:?}"
    );
}

#[test]
fn ten_thousand_calls_in_flight_leave_nothing() {
    let _alone = ONE_AT_A_TIME.lock();
    let _watchdog = Watchdog::new("abandoned calls");
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .build()
        .unwrap();
    let ever = metrics().abandoned_calls_ever;
    let witness = Witness::default();
    let place = Arc::new((Gate::new(), Crowd::new()));
    let over = Arc::new(AtomicBool::new(false));
    let observer = thread::spawn({
        let over = over.clone();
        move || {
            while !over.load(Ordering::Relaxed) {
                assert_agreement();
            }
        }
    });
    runtime.block_on(async {
        let mut calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let (place, held) = (place.clone(), witness.clone());
                Box::pin(offload(move || {
                    place.1.wait_at(&place.0);
                    held
                }))
            })
            .collect();
        for call in &mut calls {
            assert!(polled(call.as_mut()).await.is_pending());
        }
        assert!(place.1.await_inside(THREADS, PATIENCE));
        assert_eq!(metrics().offloaded_calls, CALLS);
        drop(calls);
        // What was in line is gone, with its closure; what is in C is counted.
        assert_eq!(Arc::strong_count(&witness), 1 + THREADS);
        let seen = metrics();
        assert_eq!(
            (seen.offloaded_calls, seen.abandoned_calls),
            (THREADS, THREADS)
        );
        assert_eq!(seen.abandoned_calls_ever, ever + THREADS as u64);

        place.0.open();
        cede::drain(PATIENCE).await.unwrap();
        let seen = metrics();
        assert_eq!((seen.offloaded_calls, seen.abandoned_calls), (0, 0));
        assert_eq!(Arc::strong_count(&witness), 1, "what C returned is dropped");
        assert_eq!(place.1.total(), THREADS);
    });
    over.store(true, Ordering::Relaxed);
    observer.join().unwrap();
}

#[test]
fn a_callback_that_c_waits_for_is_dropped_with_the_call() {
    let _alone = ONE_AT_A_TIME.lock();
    let _watchdog = Watchdog::new("abandoned call");
    workers(1).block_on(async {
        let witness = Witness::default();
        let polled = Arc::new(Notify::new());
        let (report, reports) = channel();
        let call = {
            let (held, polled) = (witness.clone(), polled.clone());
            offload(move || {
                let first = under_c(|| {
                    cede::callback(async move {
                        let _held = held;
                        polled.notify_one();
                        pending::<()>().await;
                    })
                });
                let second = under_c(|| cede::callback(async { panic!("not to be polled") }));
                report.send((first, second)).unwrap();
            })
        };
        tokio::select! {
            () = call => panic!("C waits for ever"),
            () = polled.notified() => {}
        }
        assert_eq!(Arc::strong_count(&witness), 1, "dropped by the drop");
        let refused = Err(Refused::Cancelled);
        assert_eq!(reports.recv().unwrap(), (refused, Err(Refused::Cancelled)));
        cede::drain(PATIENCE).await.unwrap();
    });
}

/// The future is posted, and nobody has polled it.
#[test]
fn a_callback_that_was_never_polled_is_dropped_with_the_call() {
    let _alone = ONE_AT_A_TIME.lock();
    let _watchdog = Watchdog::new("abandoned call");
    workers(1).block_on(async {
        let woken = Arc::new(Notify::new());
        struct Wakes(Arc<Notify>);
        impl std::task::Wake for Wakes {
            fn wake(self: Arc<Self>) {
                self.0.notify_one();
            }
        }
        let witness = Witness::default();
        let held = witness.clone();
        let (report, reports) = channel();
        let gate = Arc::new(Gate::new());
        let shut = gate.clone();
        let mut call = Box::pin(offload(move || {
            shut.wait();
            report
                .send(under_c(|| cede::callback(async move { drop(held) })))
                .unwrap();
        }));
        let waker = Arc::new(Wakes(woken.clone())).into();
        let polled = call
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&waker));
        assert!(polled.is_pending());
        gate.open();
        woken.notified().await;
        drop(call);
        assert_eq!(reports.recv().unwrap(), Err(Refused::Cancelled));
        assert_eq!(Arc::strong_count(&witness), 1);
        cede::drain(PATIENCE).await.unwrap();
    });
}

#[test]
fn the_destructor_of_a_callback_may_panic() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::panic_any(1);
        }
    }
    let _alone = ONE_AT_A_TIME.lock();
    let _watchdog = Watchdog::new("abandoned call");
    workers(1).block_on(async {
        let polled = Arc::new(Notify::new());
        let (report, reports) = channel();
        let call = {
            let polled = polled.clone();
            offload(move || {
                let refused = under_c(|| {
                    cede::callback(async move {
                        let _panics = Panics;
                        polled.notify_one();
                        pending::<()>().await;
                    })
                });
                report.send(refused).unwrap();
                // Nobody is there to take it. It panics when it is dropped, too.
                Panics
            })
        };
        tokio::select! {
            _ = call => panic!("C waits for ever"),
            () = polled.notified() => {}
        }
        assert_eq!(reports.recv().unwrap(), Err(Refused::Panicked));
        cede::drain(PATIENCE).await.unwrap();
        // The thread is none the worse.
        assert_eq!(offload(|| 5).await, 5);
    });
}
