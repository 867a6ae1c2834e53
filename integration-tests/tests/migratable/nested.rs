//! Calls of every kind inside callbacks of every kind: the migratable ones suspend, the others park, all come to their end.

use crate::hands::{thread, wait};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, later, under_c, workers};
use std::future::Future;

/// A migratable call that makes a callback of `inside`.
fn moves<F>(inside: impl FnOnce() -> F + Send) -> impl Future<Output = F::Output> + Send
where
    F: Future<Output: Send> + Send,
{
    let call = cede::call(|| under_c(|| cede::callback(inside())).unwrap());
    // SAFETY: the fixtures' C holds nothing of its thread's; nobody forgets these calls.
    unsafe { call.migratable() }
}

/// The same, of a plain call, whose thread stays.
fn stays<F>(inside: impl FnOnce() -> F + Send) -> impl Future<Output = F::Output> + Send
where
    F: Future<Output: Send> + Send,
{
    cede::call(|| {
        let before = thread();
        let output = under_c(|| cede::callback(inside())).unwrap();
        assert_eq!(thread(), before);
        output
    })
}

async fn waits() -> i32 {
    later().await;
    1
}

#[test]
fn inside_each_other() {
    let _watchdog = Watchdog::new("nested");
    for runtime in [workers(1), workers(2), workers(8)] {
        let nested = || async {
            for _ in 0..20 {
                assert_eq!(moves(|| async { 1 + moves(waits).await }).await, 2);
                assert_eq!(stays(|| async { 1 + moves(waits).await }).await, 2);
                assert_eq!(moves(|| async { 1 + stays(waits).await }).await, 2);
                let four = moves(|| stays(|| moves(|| stays(waits))));
                assert_eq!(four.await, 1);
                let both = || async { tokio::join!(moves(waits), moves(waits)) };
                assert_eq!(moves(both).await, (1, 1));
            }
        };
        runtime.block_on(async {
            let plain: Vec<_> = (0..4).map(|_| tokio::spawn(nested())).collect();
            let scoped: Vec<_> = (0..4).map(|_| cede::spawn(nested())).collect();
            for task in plain.into_iter().chain(scoped) {
                task.await.unwrap();
            }
        });
        runtime.block_on(nested());
    }
}

#[test]
fn inside_each_other_on_a_current_thread_runtime() {
    let _watchdog = Watchdog::new("nested on one thread");
    current_thread().block_on(async {
        assert_eq!(moves(|| async { 1 + moves(waits).await }).await, 2);
        let suspendable = || cede::call(|| wait(2)).suspendable();
        assert_eq!(moves(suspendable).await, Ok(()));
        let refused = || cede::call(|| wait(2));
        assert_eq!(moves(refused).await, Err(cede::Refused::WouldStarve));
    });
}

#[test]
fn siblings_in_a_task_go_on() {
    let _watchdog = Watchdog::new("siblings");
    for runtime in [workers(1), workers(2), current_thread()] {
        let siblings = async {
            let (tell, told) = tokio::sync::oneshot::channel();
            let waits_for_sibling = moves(|| async { told.await.unwrap() });
            let sibling = async {
                tokio::task::yield_now().await;
                tell.send(7).unwrap();
            };
            tokio::join!(waits_for_sibling, sibling).0
        };
        assert_eq!(
            runtime.block_on(async { tokio::spawn(siblings).await.unwrap() }),
            7
        );
    }
}
