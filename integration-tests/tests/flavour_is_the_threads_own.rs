//! What a thread can cede depends on what it runs, not on the handle that is entered on it; no mix of the two panics.

use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, workers};
use std::time::Duration;
use tokio::task::{LocalSet, yield_now};

/// A call, with a callback that is ready, and with one that is not.
async fn calls() {
    assert_eq!(cede::call(|| 7).await, 7);
    assert_eq!(cede::call(|| 7).long().await, 7);
    assert_eq!(cede::call(|| 7).brief().await, 7);
    assert_eq!(cede::call(|| cede::callback(async { 7 })).await, Ok(7));
    let suspended = cede::call(|| {
        cede::callback(async {
            yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            7
        })
    });
    assert_eq!(suspended.suspendable().await, Ok(7));
}

async fn calls_by_themselves_and_in_a_scope() {
    calls().await;
    cede::scope(calls()).await;
    tokio::spawn(calls()).await.unwrap();
}

#[test]
fn a_current_thread_runtime_with_a_multi_thread_handle_entered() {
    let _watchdog = Watchdog::new("multi-thread handle entered");
    let (multi, current) = (workers(1), current_thread());
    let entered_outside = multi.enter();
    current.block_on(calls_by_themselves_and_in_a_scope());
    drop(entered_outside);
    current.block_on(async {
        // Where a task is spawned depends on the handle, where this one runs does not.
        let _entered = multi.enter();
        assert_eq!(cede::call(|| 7).await, 7);
        assert_eq!(cede::call(|| 7).long().await, 7);
        assert_eq!(cede::call(|| cede::callback(async { 7 })).await, Ok(7));
        let suspended = cede::call(|| {
            cede::callback(async {
                yield_now().await;
                7
            })
        });
        assert_eq!(suspended.suspendable().await, Ok(7));
    });
    current.block_on(calls_by_themselves_and_in_a_scope());
}

#[test]
fn a_plain_call_there_is_told_that_it_would_starve() {
    let _watchdog = Watchdog::new("would starve");
    let (multi, current) = (workers(1), current_thread());
    let refused = current.block_on(async {
        let _entered = multi.enter();
        cede::call(|| cede::callback(yield_now())).await
    });
    assert_eq!(refused, Err(cede::Refused::WouldStarve));
}

#[test]
fn a_local_set_with_a_multi_thread_handle_entered() {
    let _watchdog = Watchdog::new("local set");
    let (multi, current) = (workers(1), current_thread());
    let set = LocalSet::new();
    set.block_on(&current, async {
        let _entered = multi.enter();
        let task = tokio::task::spawn_local(calls());
        task.await.unwrap();
    });
}

#[test]
fn a_worker_with_another_runtimes_handle_entered() {
    let _watchdog = Watchdog::new("another handle entered");
    let (multi, other, current) = (workers(1), workers(1), current_thread());
    let (other_handle, current_handle) = (other.handle().clone(), current.handle().clone());
    let task = multi.spawn(async move {
        for handle in [other_handle, current_handle] {
            let answer = {
                let mut call = std::pin::pin!(async {
                    cede::call(|| cede::callback(async { 7 })).await.unwrap()
                        + cede::call(|| 7).long().await
                });
                std::future::poll_fn(|cx| {
                    let _entered = handle.enter();
                    call.as_mut().poll(cx)
                })
                .await
            };
            assert_eq!(answer, 14);
            calls_by_themselves_and_in_a_scope().await;
        }
    });
    multi.block_on(task).unwrap();
    // The workers of both are as good as before.
    for runtime in [&multi, &other] {
        runtime
            .block_on(runtime.spawn(calls_by_themselves_and_in_a_scope()))
            .unwrap();
    }
}

#[test]
fn a_current_thread_runtime_that_a_worker_drives() {
    let _watchdog = Watchdog::new("nested runtimes");
    let multi = workers(1);
    let task = multi.spawn(async {
        tokio::task::block_in_place(|| {
            current_thread().block_on(calls_by_themselves_and_in_a_scope());
        });
        calls_by_themselves_and_in_a_scope().await;
        cede::call(|| current_thread().block_on(calls_by_themselves_and_in_a_scope())).await;
    });
    multi.block_on(task).unwrap();
}

#[test]
fn no_runtime_at_all() {
    let _watchdog = Watchdog::new("no runtime");
    futures::executor::block_on(async {
        assert_eq!(cede::call(|| 7).await, 7);
        assert_eq!(cede::call(|| 7).long().await, 7);
        let answer = cede::scope(async { cede::call(|| cede::callback(yield_now())).await });
        assert_eq!(answer.await, Ok(()));
    });
}
