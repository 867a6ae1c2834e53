//! On a current-thread runtime a plain call refuses a callback that is not ready, rather than to wait for what it stops,
//! and says what to do.

use cede::Refused;
use cede_integration_tests::{current_thread, on_current_thread, on_worker, under_c, workers};
use std::future::pending;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, block_in_place, spawn_local};

/// What C's callback gets for a future that is never ready.
fn ask() -> Result<(), Refused> {
    under_c(|| cede::callback(pending()))
}

async fn is_refused() {
    assert_eq!(cede::call(ask).await, Err(Refused::WouldStarve));
    assert_eq!(cede::call(ask).brief().await, Err(Refused::WouldStarve));
    assert_eq!(cede::call(ask).long().await, Err(Refused::WouldStarve));
    assert_eq!(
        cede::call(ask).on_thread_stack().await,
        Err(Refused::WouldStarve)
    );
    assert_eq!(
        cede::call(ask).on_thread_stack().suspendable().await,
        Err(Refused::WouldStarve)
    );
    assert_eq!(
        cede::scope(cede::call(ask)).await,
        Err(Refused::WouldStarve)
    );
}

#[test]
fn on_a_current_thread_runtime() {
    on_current_thread(is_refused());
    on_current_thread(async { tokio::spawn(is_refused()).await.unwrap() });
}

#[test]
fn in_a_local_set() {
    LocalSet::new().block_on(&current_thread(), is_refused());
    for runtime in [current_thread(), workers(1)] {
        LocalSet::new().block_on(&runtime, async { spawn_local(is_refused()).await.unwrap() });
    }
}

#[test]
fn on_a_current_thread_runtime_under_a_worker() {
    on_worker(1, async {
        block_in_place(|| on_current_thread(is_refused()))
    });
    on_worker(1, async {
        let inner =
            cede::call(|| under_c(|| cede::callback(async { on_thread_of_its_own() }))).await;
        assert_eq!(inner, Ok(()));
    });
}

fn on_thread_of_its_own() {
    std::thread::spawn(|| on_current_thread(is_refused()))
        .join()
        .unwrap();
}

#[test]
fn the_message_names_the_remedy() {
    assert!(Refused::WouldStarve.to_string().contains("suspendable"));
}

#[test]
fn a_future_that_is_ready_is_not_refused() {
    let ready = || under_c(|| cede::callback(async { 5 }));
    assert_eq!(on_current_thread(cede::call(ready)), Ok(5));
}

#[test]
fn the_refused_future_is_dropped_and_later_ones_run() {
    on_current_thread(async {
        let witness = Arc::new(());
        let held = witness.clone();
        cede::call(|| {
            let refused = under_c(|| {
                cede::callback(async move {
                    pending::<()>().await;
                    drop(held);
                })
            });
            assert_eq!(refused, Err(Refused::WouldStarve));
            assert_eq!(Arc::strong_count(&witness), 1);
            assert_eq!(under_c(|| cede::callback(async { 5 })), Ok(5));
        })
        .await;
    });
}

/// The inner call could suspend, the outer one cannot: the wait is refused where it would stop the thread, and the inner
/// call is cancelled.
#[test]
fn a_suspendable_call_under_a_plain_one() {
    for runtime in [current_thread(), workers(1)] {
        LocalSet::new().block_on(&runtime, async {
            let (tell, told) = oneshot::channel();
            let (reached, saw) = oneshot::channel();
            let task = spawn_local(async move {
                let inner = cede::call(|| {
                    let answer = under_c(|| cede::callback(async { told.await.is_ok() }));
                    reached.send(answer).unwrap();
                })
                .suspendable();
                cede::call(|| under_c(|| cede::callback(inner))).await
            });
            let neighbour = spawn_local(async move { tell.send(()) });
            assert_eq!(task.await.unwrap(), Err(Refused::WouldStarve));
            assert_eq!(saw.await.unwrap(), Err(Refused::Cancelled));
            assert_eq!(neighbour.await.unwrap(), Err(()));
        });
    }
}

/// Neither call could suspend: the inner one is refused, for it knows whose thread it would stop.
#[test]
fn a_plain_call_under_a_plain_one() {
    for runtime in [current_thread(), workers(1)] {
        LocalSet::new().block_on(&runtime, async {
            let (tell, told) = oneshot::channel::<()>();
            let task = spawn_local(async move {
                let inner = cede::call(|| under_c(|| cede::callback(told)));
                cede::call(|| under_c(|| cede::callback(inner))).await
            });
            let neighbour = spawn_local(async move { tell.send(()) });
            assert!(matches!(task.await.unwrap(), Ok(Err(Refused::WouldStarve))));
            assert_eq!(neighbour.await.unwrap(), Err(()));
        });
    }
}
