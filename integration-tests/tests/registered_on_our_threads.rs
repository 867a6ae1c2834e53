//! A registered callback on a thread of ours that is in no call: it runs as a task, and the thread, whatever it does for a
//! living, waits without taking anything from the runtime that the task needs.

use cede::Registered;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, on_worker, under_c, workers};
use std::ffi::c_int;
use std::time::Duration;
use tokio::task::LocalSet;

/// Registers a callback that gives other tasks a turn and a timer time to fire.
fn register() -> Registered<fn(c_int) -> c_int> {
    Registered::new(-1, |n: c_int| async move {
        let other = tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
        other.await.unwrap();
        n + 1
    })
}

/// C calls back, without a call of ours.
fn c(registered: &Registered<fn(c_int) -> c_int>) -> c_int {
    let (function, data) = (registered.data_first(), registered.data());
    function(data, 6)
}

#[test]
fn the_only_worker() {
    let _watchdog = Watchdog::new("the only worker");
    on_worker(1, async {
        let registered = register();
        for _ in 0..20 {
            assert_eq!(c(&registered), 7);
            tokio::task::yield_now().await;
        }
        // More of them in one poll, when the slot is gone already.
        for _ in 0..3 {
            assert_eq!(c(&registered), 7);
        }
    });
}

#[test]
fn all_workers_at_once() {
    let _watchdog = Watchdog::new("all workers");
    let runtime = workers(2);
    runtime.block_on(async {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(async {
                    let registered = register();
                    for _ in 0..10 {
                        assert_eq!(c(&registered), 7);
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_worker_inside_the_frame_of_a_scope() {
    let _watchdog = Watchdog::new("scope");
    on_worker(
        1,
        cede::scope(async {
            let registered = register();
            for _ in 0..5 {
                cede::call(|| ()).await;
                assert_eq!(c(&registered), 7);
            }
        }),
    );
}

#[test]
fn a_callbacks_future_that_calls_c_directly() {
    let _watchdog = Watchdog::new("in a callback");
    on_worker(1, async {
        let registered = register();
        let answer = cede::call(|| {
            under_c(|| cede::callback(async { (c(&registered), registered.in_flight()) }))
        });
        assert_eq!(answer.await, Ok((7, 0)));
    });
}

#[test]
fn blocking_threads_and_block_on() {
    let _watchdog = Watchdog::new("blocking threads");
    for runtime in [workers(1), current_thread()] {
        let answer = runtime.block_on(async {
            let registered = register();
            let blocking = tokio::task::spawn_blocking(move || c(&registered));
            blocking.await.unwrap()
        });
        assert_eq!(answer, 7);
    }
    workers(1).block_on(async { assert_eq!(c(&register()), 7) });
    on_worker(1, async {
        let registered = register();
        assert_eq!(tokio::task::block_in_place(|| c(&registered)), 7);
    });
}

#[test]
fn a_local_set_on_a_runtime_with_workers() {
    let _watchdog = Watchdog::new("LocalSet");
    let local = LocalSet::new();
    local.spawn_local(async { assert_eq!(c(&register()), 7) });
    workers(1).block_on(local);
}

/// What is used up is not refilled while the thread waits.
#[test]
fn a_task_whose_budget_is_used_up() {
    async fn called_back_without_budget() {
        let registered = register();
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        assert_eq!(c(&registered), 7);
    }
    let _watchdog = Watchdog::new("budget");
    on_worker(1, called_back_without_budget());
    let local = LocalSet::new();
    local.spawn_local(called_back_without_budget());
    workers(1).block_on(local);
}

/// To wait would be to wait for itself.
#[test]
fn the_thread_that_drives_the_registering_runtime_is_refused() {
    let _watchdog = Watchdog::new("current thread");
    let runtime = current_thread();
    runtime.block_on(async {
        let registered = register();
        assert_eq!(c(&registered), -1);
        let task = tokio::spawn(async move { c(&registered) });
        assert_eq!(task.await.unwrap(), -1);
        let local = LocalSet::new();
        local
            .run_until(async {
                let inner = tokio::task::spawn_local(async { c(&register()) });
                assert_eq!(inner.await.unwrap(), -1);
            })
            .await;
    });
}

#[test]
fn a_thread_that_drives_another_current_thread_runtime_waits() {
    let _watchdog = Watchdog::new("another runtime");
    let home = workers(1);
    let registered = {
        let _inside = home.enter();
        register()
    };
    assert_eq!(current_thread().block_on(async { c(&registered) }), 7);
}

/// The trampolines are plain functions: whoever has them may call them.
#[test]
fn user_data_that_is_none_is_refused_everywhere() {
    on_worker(1, async {
        let registered = register();
        let function = registered.data_first();
        let own = 1_u8;
        for data in [0, (&raw const own).addr()] {
            let call = move || function(std::ptr::without_provenance_mut(data), 1);
            assert_eq!(call(), -1);
            assert_eq!(cede::call(|| under_c(call)).await, -1);
        }
    });
}
