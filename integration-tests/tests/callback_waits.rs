//! A callback may wait for a timer, wherever the call is made; siblings of a suspended call go on meanwhile.

use cede_integration_tests::{current_thread, on_current_thread, on_worker, under_c, workers};
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, block_in_place, spawn_blocking, spawn_local};

async fn timer() -> u32 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    7
}

/// Three callbacks, each of which waits.
fn three_timers() -> u32 {
    (0..3)
        .map(|_| under_c(|| cede::callback(timer())).unwrap())
        .sum()
}

async fn plain() {
    assert_eq!(cede::call(three_timers).await, 21);
    assert_eq!(cede::call(three_timers).long().await, 21);
    assert_eq!(cede::call(three_timers).brief().await, 21);
    assert_eq!(cede::call(three_timers).on_thread_stack().await, 21);
    assert_eq!(cede::scope(cede::call(three_timers)).await, 21);
}

async fn suspendable() {
    assert_eq!(cede::call(three_timers).suspendable().await, 21);
    assert_eq!(cede::call(three_timers).suspendable().long().await, 21);
    assert_eq!(cede::call(three_timers).suspendable().brief().await, 21);
    assert_eq!(
        cede::scope(cede::call(three_timers).suspendable()).await,
        21
    );
}

#[test]
fn on_a_worker() {
    on_worker(1, plain());
    on_worker(1, suspendable());
}

#[test]
fn on_the_block_on_thread() {
    workers(1).block_on(plain());
    workers(1).block_on(suspendable());
}

#[test]
fn on_a_blocking_thread() {
    on_worker(1, async {
        spawn_blocking(|| Handle::current().block_on(plain()))
            .await
            .unwrap();
    });
    on_current_thread(async {
        spawn_blocking(|| Handle::current().block_on(plain()))
            .await
            .unwrap();
    });
}

#[test]
fn within_block_in_place() {
    on_worker(1, async {
        block_in_place(|| Handle::current().block_on(plain()))
    });
}

#[test]
fn outside_of_a_runtime() {
    let runtime = workers(1);
    let _entered = runtime.enter();
    futures::executor::block_on(plain());
    futures::executor::block_on(suspendable());
}

#[test]
fn suspended_on_a_current_thread_runtime() {
    on_current_thread(suspendable());
    on_current_thread(async { tokio::spawn(suspendable()).await.unwrap() });
}

#[test]
fn suspended_in_a_local_set() {
    for runtime in [current_thread(), workers(1)] {
        LocalSet::new().block_on(&runtime, async {
            suspendable().await;
            spawn_local(suspendable()).await.unwrap();
        });
    }
}

#[test]
fn siblings_of_a_suspended_call_go_on_current_thread_runtime() {
    siblings_go_on(&current_thread(), |sibling| {
        tokio::spawn(sibling);
    });
}

#[test]
fn siblings_of_a_suspended_call_go_on_in_a_local_set() {
    for runtime in [current_thread(), workers(1)] {
        siblings_go_on(&runtime, |sibling| {
            spawn_local(sibling);
        });
    }
}

/// A callback waits for an answer that only its neighbour on the same thread can give, once it has been asked.
fn siblings_go_on(
    runtime: &Runtime,
    spawn: fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
) {
    let (done, is_done) = oneshot::channel();
    let local = LocalSet::new();
    local.block_on(runtime, async {
        let (ask, asked) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        spawn(Box::pin(async move {
            let question: u32 = asked.await.unwrap();
            tell.send(question + 1).unwrap();
        }));
        spawn(Box::pin(async move {
            let answer = cede::call(|| {
                under_c(|| {
                    cede::callback(async {
                        ask.send(41).unwrap();
                        told.await.unwrap()
                    })
                })
            })
            .suspendable()
            .await;
            done.send(answer).unwrap();
        }));
        assert_eq!(is_done.await.unwrap(), Ok(42));
    });
}

#[test]
fn branches_of_the_same_task_go_on_while_a_call_is_suspended() {
    on_current_thread(async {
        let (tell, told) = oneshot::channel();
        let call =
            cede::call(|| under_c(|| cede::callback(async { told.await.unwrap() }))).suspendable();
        let (answer, ()) = tokio::join!(call, async { tell.send(3).unwrap() });
        assert_eq!(answer, Ok(3));
    });
}

/// A call whose callback awaits a call, and so on; the innermost waits for a timer.
fn nested(depth: u32, suspendable: bool) -> futures::future::BoxFuture<'static, u32> {
    Box::pin(async move {
        if depth == 0 {
            return timer().await;
        }
        let call = cede::call(move || {
            under_c(|| cede::callback(nested(depth - 1, suspendable))).unwrap() + 1
        });
        if suspendable {
            call.suspendable().await
        } else {
            call.await
        }
    })
}

#[test]
fn eight_levels_deep_parked() {
    assert_eq!(on_worker(1, nested(8, false)), 15);
    assert_eq!(on_worker(1, cede::scope(nested(8, false))), 15);
    assert_eq!(workers(1).block_on(nested(8, false)), 15);
}

#[test]
fn eight_levels_deep_suspended() {
    assert_eq!(on_current_thread(nested(8, true)), 15);
    for runtime in [current_thread(), workers(1)] {
        let nested = || async { spawn_local(nested(8, true)).await.unwrap() };
        assert_eq!(LocalSet::new().block_on(&runtime, nested()), 15);
    }
}

/// An executor within the task hides the task's waker from the call.
#[test]
fn suspended_within_a_set_of_futures() {
    use futures::stream::{FuturesUnordered, StreamExt};
    for runtime in [current_thread(), workers(1)] {
        LocalSet::new().block_on(&runtime, async {
            let task = spawn_local(async {
                let calls = FuturesUnordered::new();
                for n in 0..10 {
                    let (tell, told) = oneshot::channel();
                    spawn_local(async move { tell.send(n).unwrap() });
                    let waits =
                        move || under_c(|| cede::callback(async { told.await.unwrap() })).unwrap();
                    calls.push(cede::call(waits).suspendable());
                }
                calls.collect::<Vec<_>>().await.into_iter().sum::<u32>()
            });
            assert_eq!(task.await.unwrap(), 45);
        });
    }
}
