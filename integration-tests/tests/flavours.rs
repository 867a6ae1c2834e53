//! A call returns what C returned, wherever it is awaited, and nothing panics because of the place.

use cede_fixtures::plain::empty;
use cede_integration_tests::{current_thread, on_current_thread, on_worker, workers};
use tokio::runtime::Handle;
use tokio::task::{LocalSet, block_in_place, spawn_blocking, spawn_local};

/// One call of each kind, twice: the first of a thread and a later one need not take the same way.
async fn calls() {
    for n in [0, 1] {
        assert_eq!(cede::call(|| empty(n)).await, n + 1);
        assert_eq!(cede::call(|| empty(n)).long().await, n + 1);
        assert_eq!(cede::call(|| empty(n)).brief().await, n + 1);
        assert_eq!(cede::call(|| empty(n)).on_thread_stack().await, n + 1);
        assert_eq!(cede::call(move || empty(n)).suspendable().await, n + 1);
        assert_eq!(cede::scope(cede::call(|| empty(n))).await, n + 1);
    }
}

#[test]
fn on_a_worker() {
    on_worker(1, calls());
    on_worker(2, calls());
}

#[test]
fn on_a_worker_in_a_scope() {
    on_worker(1, cede::scope(calls()));
}

#[test]
fn on_the_block_on_thread_of_a_multi_thread_runtime() {
    workers(1).block_on(calls());
    workers(1).block_on(cede::scope(calls()));
}

#[test]
fn on_a_current_thread_runtime() {
    on_current_thread(calls());
    on_current_thread(cede::scope(calls()));
    on_current_thread(async { tokio::spawn(calls()).await.unwrap() });
}

#[test]
fn in_a_local_set_on_a_current_thread_runtime() {
    in_a_local_set(&current_thread());
}

#[test]
fn in_a_local_set_on_a_multi_thread_runtime() {
    in_a_local_set(&workers(1));
}

fn in_a_local_set(runtime: &tokio::runtime::Runtime) {
    LocalSet::new().block_on(runtime, async {
        calls().await;
        spawn_local(calls()).await.unwrap();
        spawn_local(cede::scope(calls())).await.unwrap();
    });
}

#[test]
fn outside_of_any_runtime() {
    futures::executor::block_on(calls());
    futures::executor::block_on(cede::scope(calls()));
}

#[test]
fn on_a_foreign_executor_within_a_worker() {
    on_worker(1, async { futures::executor::block_on(calls()) });
}

#[test]
fn on_a_foreign_executor_within_a_current_thread_runtime() {
    on_current_thread(async { futures::executor::block_on(calls()) });
}

#[test]
fn on_a_blocking_thread() {
    let block = || spawn_blocking(|| Handle::current().block_on(calls()));
    on_worker(1, async move { block().await.unwrap() });
    on_current_thread(async move { block().await.unwrap() });
}

#[test]
fn within_block_in_place() {
    on_worker(1, async {
        block_in_place(|| Handle::current().block_on(calls()))
    });
}

#[test]
fn within_block_in_place_within_a_scope() {
    on_worker(
        1,
        cede::scope(async {
            calls().await;
            block_in_place(|| Handle::current().block_on(calls()));
            calls().await;
        }),
    );
}

#[test]
fn on_a_current_thread_runtime_within_a_worker() {
    on_worker(1, async {
        block_in_place(|| on_current_thread(calls()));
        calls().await;
    });
}

#[test]
fn with_another_runtimes_handle_entered() {
    let (one, other) = (workers(1), current_thread());
    {
        let _entered = other.enter();
        one.block_on(calls());
        futures::executor::block_on(calls());
    }
    {
        let _entered = one.enter();
        other.block_on(calls());
        futures::executor::block_on(calls());
    }
    let handle = one.handle().clone();
    other.block_on(async {
        let _entered = handle.enter();
        calls().await;
    });
}

#[test]
fn in_a_callback() {
    on_worker(1, async {
        let done = cede::call(|| cede_integration_tests::under_c(|| cede::callback(calls()))).await;
        assert_eq!(done, Ok(()));
    });
}
