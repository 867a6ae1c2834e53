//! Rust under C may run a call there and then, on an executor of its own, instead of in a callback.

use cede_fixtures::Gate;
use cede_fixtures::plain::empty;
use cede_integration_tests::{PATIENCE, block_on, on_current_thread, on_worker, under_c};
use std::sync::Arc;
use tokio::task::block_in_place;

fn once() -> i32 {
    let plain = block_on(cede::call(|| empty(1)));
    let on_top = block_on(cede::call(|| empty(10)).on_thread_stack());
    let asks = || under_c(|| cede::callback(async { empty(100) })).unwrap();
    let called_back = block_on(cede::call(asks));
    let called_back_on_top = block_on(cede::call(asks).on_thread_stack());
    let brief = block_on(cede::call(asks).brief());
    plain + on_top + called_back + called_back_on_top + brief
}

const ONCE: i32 = 2 + 11 + 3 * 101;

async fn all() {
    for _ in 0..2 {
        assert_eq!(cede::call(once).await, ONCE);
        assert_eq!(cede::call(once).long().await, ONCE);
        assert_eq!(cede::call(once).brief().await, ONCE);
        assert_eq!(cede::call(once).on_thread_stack().await, ONCE);
        assert_eq!(cede::scope(cede::call(once)).await, ONCE);
        assert_eq!(cede::call(|| under_c(once)).await, ONCE);
        assert_eq!(
            cede::call(|| block_on(cede::call(|| block_on(cede::call(once))))).await,
            ONCE
        );
        assert_eq!(
            cede::call(|| under_c(|| cede::callback(cede::call(once)))).await,
            Ok(ONCE)
        );
    }
}

#[test]
fn on_a_worker() {
    on_worker(1, all());
    on_worker(1, cede::scope(all()));
}

#[test]
fn on_a_current_thread_runtime() {
    on_current_thread(all());
}

#[test]
fn with_callbacks_that_wait() {
    let waits = || {
        block_on(cede::call(|| {
            under_c(|| cede::callback(tokio::task::yield_now()))
        }))
    };
    on_worker(1, async move {
        for _ in 0..10 {
            assert_eq!(cede::call(waits).await, Ok(()));
            assert_eq!(cede::call(waits).brief().await, Ok(()));
            assert_eq!(cede::call(waits).on_thread_stack().await, Ok(()));
        }
    });
}

/// The inner call is no Rust to the monitor: C that lasts loses the slot, on whatever level it is.
#[test]
fn that_lasts() {
    on_worker(1, async {
        for _ in 0..10 {
            let gate = Arc::new(Gate::new());
            let opener = gate.clone();
            tokio::spawn(async move { opener.open() });
            assert!(cede::call(|| block_on(cede::call(|| gate.wait_for(PATIENCE)))).await);
        }
    });
}

/// An executor of many suspended calls, right under C.
#[test]
fn on_a_current_thread_runtime_under_a_workers_call() {
    let many = || {
        on_current_thread(async {
            let tasks: Vec<_> = (0..10)
                .map(|n| {
                    let waits =
                        move || under_c(|| cede::callback(tokio::task::yield_now())).map(|()| n);
                    tokio::spawn(cede::call(waits).suspendable())
                })
                .collect();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), Ok(n));
            }
        });
    };
    on_worker(1, async move {
        block_in_place(many);
        cede::call(|| block_in_place(many)).await;
        let callback =
            cede::call(|| under_c(|| cede::callback(async { block_in_place(many) }))).await;
        assert_eq!(callback, Ok(()));
    });
}
