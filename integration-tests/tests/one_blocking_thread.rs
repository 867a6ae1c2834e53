//! A runtime with one thread for blocking work: calls need none of it, and leave it to its users.

use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{spawn_blocking, yield_now};

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

async fn retaken(n: u32) -> u32 {
    let gate = Arc::new(Gate::new());
    let opener = gate.clone();
    tokio::spawn(async move { opener.open() });
    cede::call(|| {
        gate.wait();
        n
    })
    .await
}

#[test]
fn calls_are_retaken() {
    let _watchdog = Watchdog::new("one blocking thread");
    let runtime = runtime();
    let tasks: Vec<_> = (0..20).map(|n| runtime.spawn(retaken(n))).collect();
    runtime.block_on(async {
        for (n, task) in (0..).zip(tasks) {
            assert_eq!(task.await.unwrap(), n);
        }
    });
}

/// The hold that a retired thread leaves behind must not take the one thread from the user for good.
#[test]
fn spawn_blocking_works_after_a_retake() {
    let _watchdog = Watchdog::new("spawn_blocking after a retake");
    let runtime = runtime();
    let task = runtime.spawn(async {
        for n in 0..20 {
            assert_eq!(retaken(n).await, n);
            assert_eq!(spawn_blocking(move || n).await.unwrap(), n);
        }
    });
    runtime.block_on(task).unwrap();
}

#[test]
fn a_callback_may_await_spawn_blocking() {
    let _watchdog = Watchdog::new("spawn_blocking in a callback");
    let runtime = runtime();
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            runtime.spawn(async move {
                for _ in 0..10 {
                    let answer = cede::call(|| {
                        cede::callback(async move { spawn_blocking(move || n).await.unwrap() })
                    });
                    assert_eq!(answer.await, Ok(n));
                    assert_eq!(retaken(n).await, n);
                    yield_now().await;
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn calls_are_retaken_while_it_is_taken() {
    let _watchdog = Watchdog::new("the blocking thread is taken");
    let runtime = runtime();
    let gate = Arc::new(Gate::new());
    let at = gate.clone();
    let blocking = runtime.spawn_blocking(move || at.wait());
    runtime
        .block_on(runtime.spawn(async {
            for n in 0..20 {
                assert_eq!(retaken(n).await, n);
            }
        }))
        .unwrap();
    gate.open();
    runtime.block_on(blocking).unwrap();
}
