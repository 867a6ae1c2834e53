//! C finds itself on the same thread after a callback, whatever that waited for.

use cede_fixtures::{bridge, thread};
use cede_integration_tests::{on_current_thread, on_worker, under_c, workers};
use std::ffi::{c_int, c_long};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;

fn waits_and_calls() -> thread::Around {
    let mut f = |_: c_int| {
        let answer = cede::callback(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            // The nested call waits too, and its task may go on under another slot.
            cede::call(|| under_c(|| cede::callback(tokio::time::sleep(Duration::from_millis(1)))))
                .suspendable()
                .await
        });
        assert_eq!(answer, Ok(Ok(())));
        3
    };
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call.
    unsafe { thread::around(cb, ud, 0) }
}

fn same(around: thread::Around) {
    assert_eq!(around.before, around.after);
    assert_eq!(around.result, 3);
}

async fn parked() {
    for _ in 0..10 {
        same(cede::call(waits_and_calls).await);
        same(cede::call(waits_and_calls).long().await);
        same(cede::call(waits_and_calls).brief().await);
        same(cede::call(waits_and_calls).on_thread_stack().await);
        same(cede::scope(cede::call(waits_and_calls)).await);
    }
}

#[test]
fn on_workers() {
    on_worker(1, parked());
    on_worker(2, async {
        let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(parked())).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn on_the_block_on_thread() {
    workers(1).block_on(parked());
}

#[test]
fn suspended() {
    on_current_thread(async {
        for _ in 0..10 {
            same(cede::call(waits_and_calls).suspendable().await);
        }
    });
}

/// The kernel's number of the thread before each callback and after it.
fn numbers() -> Vec<c_long> {
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(thread::number());
        under_c(|| cede::callback(tokio::time::sleep(Duration::from_micros(100)))).unwrap();
        seen.push(thread::number());
        under_c(|| cede::callback(cede::call(|| ()))).unwrap();
    }
    seen
}

#[test]
fn as_the_kernel_counts_them() {
    async fn all_the_same() {
        for _ in 0..10 {
            let seen = cede::call(numbers).await;
            assert!(seen.iter().all(|number| *number == seen[0]), "{seen:?}");
        }
    }
    on_worker(1, async {
        let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(all_the_same())).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// What C keeps for its thread is there after a callback, although other tasks had C keep something else meanwhile: on other
/// threads.
#[test]
fn with_what_c_keeps_for_the_thread() {
    async fn keeps(value: c_int, barrier: Arc<Barrier>) {
        for _ in 0..10 {
            let kept = cede::call(|| {
                let mut f = |_: c_int| {
                    // Nobody goes on before all have had C keep their value.
                    let met = cede::callback(async {
                        barrier.wait().await;
                    });
                    c_int::from(met.is_err())
                };
                let (cb, ud) = bridge(&mut f);
                // SAFETY: `f` outlives the call.
                unsafe { thread::local_across(cb, ud, value) }
            });
            assert_eq!(kept.await, value);
        }
    }
    for count in [1, 2] {
        on_worker(count, async {
            let barrier = Arc::new(Barrier::new(4));
            let tasks: Vec<_> = (1..5)
                .map(|value| tokio::spawn(keeps(value, barrier.clone())))
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}
