//! A runtime that ends while calls are running: what waits, waits for them; what does not, does not; nothing hangs.

use cede::StandbyThreads;
use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::PATIENCE;
use cede_integration_tests::process::{Watchdog, eventually, threads_named};
use cede_integration_tests::workers;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Where calls wait, and who of them has come back.
#[derive(Default)]
struct Place {
    gate: Gate,
    crowd: Crowd,
    returned: AtomicUsize,
}

impl Place {
    /// Spawns so many tasks that call C and wait there; returns when all of them are in C.
    fn occupied_by(calls: usize, runtime: &Runtime) -> Arc<Self> {
        let place = Arc::new(Self::default());
        for _ in 0..calls {
            let place = place.clone();
            runtime.spawn(async move { cede::call(|| place.stay()).await });
        }
        assert!(place.crowd.await_inside(calls, PATIENCE));
        place
    }

    fn stay(&self) {
        self.crowd.wait_at(&self.gate);
        self.returned.fetch_add(1, Ordering::SeqCst);
    }

    fn open_soon(self: &Arc<Self>) {
        let place = self.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            place.gate.open();
        });
    }

    fn all_return(&self) -> bool {
        eventually(|| self.returned.load(Ordering::SeqCst) == self.crowd.total())
    }
}

#[test]
fn drop_waits_until_c_has_returned() {
    let _watchdog = Watchdog::new("drop waits");
    for calls in [1, 8] {
        let runtime = workers(2);
        let place = Place::occupied_by(calls, &runtime);
        place.open_soon();
        drop(runtime);
        assert_eq!(place.returned.load(Ordering::SeqCst), calls);
    }
}

#[test]
fn shutdown_timeout_returns_while_c_is_stuck() {
    let _watchdog = Watchdog::new("shutdown_timeout");
    for calls in [1, 8] {
        let runtime = workers(2);
        let place = Place::occupied_by(calls, &runtime);
        let began = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(50));
        // Short of what the watchdog allows by far, and long for a machine that is busy.
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(place.returned.load(Ordering::SeqCst), 0);
        place.gate.open();
        assert!(place.all_return());
    }
}

#[test]
fn shutdown_background_returns_at_once() {
    let _watchdog = Watchdog::new("shutdown_background");
    let runtime = workers(2);
    let place = Place::occupied_by(8, &runtime);
    runtime.shutdown_background();
    assert_eq!(place.returned.load(Ordering::SeqCst), 0);
    place.gate.open();
    assert!(place.all_return());
}

/// The thread that returns from C finds its runtime gone, and its task too.
#[test]
fn the_result_of_a_call_that_outlives_its_runtime_is_dropped() {
    struct Result(Arc<AtomicBool>);
    impl Drop for Result {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let _watchdog = Watchdog::new("result dropped");
    let runtime = workers(1);
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    let dropped = Arc::new(AtomicBool::new(false));
    let result = Result(dropped.clone());
    let (at, among) = (gate.clone(), crowd.clone());
    let task = runtime.spawn(async move {
        let returned = cede::call(|| {
            among.wait_at(&at);
            result
        });
        drop(returned.await);
    });
    assert!(crowd.await_inside(1, PATIENCE));
    runtime.shutdown_background();
    gate.open();
    assert!(eventually(|| dropped.load(Ordering::SeqCst)));
    assert!(eventually(|| task.is_finished()));
}

/// Destructors of tasks run while the runtime shuts down; a call made there is made, slot or not.
#[test]
fn a_call_begun_while_the_runtime_shuts_down_runs() {
    struct CallsWhenDropped(Arc<AtomicUsize>);
    impl Drop for CallsWhenDropped {
        fn drop(&mut self) {
            let answer = futures::executor::block_on(cede::call(|| {
                cede::callback(async { cede_fixtures::plain::empty(6) })
            }));
            assert_eq!(answer, Ok(7));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let _watchdog = Watchdog::new("a call begun in shutdown");
    let called = Arc::new(AtomicUsize::new(0));
    for calls_before in [0, 1] {
        let runtime = workers(2);
        for _ in 0..calls_before {
            runtime.block_on(runtime.spawn(cede::call(|| ()))).unwrap();
        }
        for _ in 0..4 {
            let caller = CallsWhenDropped(called.clone());
            runtime.spawn(async move {
                let _caller = caller;
                pending::<()>().await;
            });
        }
    }
    assert_eq!(called.load(Ordering::SeqCst), 8);
}

/// Calls go on in a task that is never idle, until the runtime ends it at one of its yields.
#[test]
fn a_runtime_may_end_amid_short_calls() {
    let _watchdog = Watchdog::new("amid short calls");
    for round in 0..50 {
        let runtime = workers(2);
        let calls = Arc::new(AtomicUsize::new(0));
        for n in 0..4 {
            let calls = calls.clone();
            let task = async move {
                loop {
                    cede::call(|| cede_fixtures::time::spin_us(10)).await;
                    calls.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            };
            if n % 2 == 0 {
                runtime.spawn(task)
            } else {
                cede_spawn(&runtime, task)
            };
        }
        assert!(eventually(|| calls.load(Ordering::SeqCst) > 50));
        match round % 3 {
            0 => drop(runtime),
            1 => runtime.shutdown_timeout(PATIENCE),
            _ => runtime.shutdown_background(),
        }
    }
}

fn cede_spawn(
    runtime: &Runtime,
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let _entered = runtime.enter();
    cede::spawn(task)
}

/// The future of a parked callback is not a task: it goes on, and is waited for, as C is.
#[test]
fn drop_waits_for_parked_callbacks() {
    let _watchdog = Watchdog::new("drop waits for callbacks");
    const CALLS: usize = 4;
    let runtime = workers(1);
    let open = Arc::new(tokio::sync::Semaphore::new(0));
    let (parked, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..CALLS {
        let (open, parked, answered) = (open.clone(), parked.clone(), answered.clone());
        runtime.spawn(async move {
            cede::call(|| {
                let answer = cede::callback(async {
                    parked.fetch_add(1, Ordering::SeqCst);
                    open.acquire().await.unwrap().forget();
                    7
                });
                assert_eq!(answer, Ok(7));
                answered.fetch_add(1, Ordering::SeqCst);
            })
            .await;
        });
    }
    assert!(eventually(|| parked.load(Ordering::SeqCst) == CALLS));
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        open.add_permits(CALLS);
    });
    drop(runtime);
    assert_eq!(answered.load(Ordering::SeqCst), CALLS);
}

/// What a callback waits for may end with the runtime; it sees that, and C returns.
#[test]
fn a_callback_that_waits_for_a_task_of_the_runtime_is_told_of_its_end() {
    let _watchdog = Watchdog::new("callback told of the end");
    let runtime = workers(1);
    let parked = Arc::new(AtomicBool::new(false));
    let told = Arc::new(AtomicBool::new(false));
    let (is_parked, is_told) = (parked.clone(), told.clone());
    runtime.spawn(async move {
        let other = tokio::spawn(pending::<()>());
        cede::call(|| {
            let ended = cede::callback(async {
                is_parked.store(true, Ordering::SeqCst);
                other.await
            });
            is_told.store(ended.unwrap().unwrap_err().is_cancelled(), Ordering::SeqCst);
        })
        .await;
    });
    assert!(eventually(|| parked.load(Ordering::SeqCst)));
    drop(runtime);
    assert!(told.load(Ordering::SeqCst));
}

#[test]
fn shutdown_timeout_returns_while_callbacks_are_parked() {
    let _watchdog = Watchdog::new("shutdown_timeout with callbacks");
    let runtime = workers(1);
    let (open, wait) = tokio::sync::oneshot::channel();
    let (parked, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (is_parked, is_answered) = (parked.clone(), answered.clone());
    runtime.spawn(async move {
        cede::call(|| {
            let answer = cede::callback(async {
                is_parked.store(true, Ordering::SeqCst);
                wait.await
            });
            assert_eq!(answer, Ok(Ok(7)));
            is_answered.store(true, Ordering::SeqCst);
        })
        .await;
    });
    assert!(eventually(|| parked.load(Ordering::SeqCst)));
    runtime.shutdown_timeout(Duration::from_millis(20));
    assert!(!answered.load(Ordering::SeqCst));
    open.send(7).unwrap();
    assert!(eventually(|| answered.load(Ordering::SeqCst)));
}

/// A worker that is stuck elsewhere, with a standby that stands by for it.
#[test]
fn standby_threads_end_though_a_worker_is_stuck() {
    let _watchdog = Watchdog::new("standby threads end");
    let runtime = workers(1);
    StandbyThreads::new()
        .name("of-the-stuck")
        .apply_to(runtime.handle());
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    let (at, among) = (gate.clone(), crowd.clone());
    let task = runtime.spawn(async move {
        cede::call(|| ()).await;
        tokio::task::block_in_place(|| among.wait_at(&at));
    });
    assert!(crowd.await_inside(1, PATIENCE));
    // A thread has its name a moment after it has begun.
    assert!(eventually(|| threads_named("of-the-stuck").len() == 1));
    runtime.shutdown_background();
    assert!(eventually(|| threads_named("of-the-stuck").is_empty()));
    gate.open();
    assert!(eventually(|| task.is_finished()));
}
