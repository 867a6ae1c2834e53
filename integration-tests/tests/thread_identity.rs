//! C finds itself on the same thread after a callback, whatever that waited for.

use cede_fixtures::{bridge, thread};
use cede_integration_tests::{on_current_thread, on_worker, under_c, workers};
use std::ffi::c_int;
use std::time::Duration;

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
