//! Code that blocks its thread inside a frame, waiting for what only its own worker can do, gets it: the slot is
//! retaken from Rust code too.
//!
//! Inside a frame `block_in_place` has no core to give away, so without that each of these would wait for good.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::sync::mpsc;
use tokio::runtime::Handle;
use tokio::task::{block_in_place, yield_now};

/// Waits, blocking the thread, for a task that has only this runtime to run on.
fn block_on_another_task() -> u32 {
    block_in_place(|| {
        Handle::current().block_on(async {
            let other = tokio::spawn(async {
                yield_now().await;
                7
            });
            other.await.unwrap()
        })
    })
}

#[test]
fn in_a_scope() {
    let _watchdog = Watchdog::new("waiting in a scope");
    let answer = on_worker(
        1,
        cede::scope(async {
            // The frame is open from the first call of a poll.
            cede::call(|| ()).await;
            block_on_another_task()
        }),
    );
    assert_eq!(answer, 7);
}

#[test]
fn in_a_callback() {
    let _watchdog = Watchdog::new("waiting in a callback");
    let answer = on_worker(1, async {
        cede::call(|| cede::callback(async { block_on_another_task() })).await
    });
    assert_eq!(answer, Ok(7));
}

#[test]
fn in_a_callback_in_a_scope() {
    let _watchdog = Watchdog::new("waiting in a callback in a scope");
    let answer = on_worker(
        1,
        cede::scope(async {
            cede::call(|| cede::callback(async { block_on_another_task() })).await
        }),
    );
    assert_eq!(answer, Ok(7));
}

#[test]
fn under_c_without_a_callback() {
    let _watchdog = Watchdog::new("waiting under C");
    let answer = on_worker(1, async { cede::call(block_on_another_task).await });
    assert_eq!(answer, 7);
}

#[test]
fn with_calls_in_what_is_waited_for() {
    let _watchdog = Watchdog::new("waiting for calls");
    let answer = on_worker(
        1,
        cede::scope(async {
            cede::call(|| ()).await;
            block_in_place(|| {
                Handle::current().block_on(async {
                    let here = cede::call(|| cede::callback(async { 3 })).await.unwrap();
                    let there = tokio::spawn(async { cede::call(|| 4).await });
                    here + there.await.unwrap()
                })
            })
        }),
    );
    assert_eq!(answer, 7);
}

#[test]
fn by_a_blocking_channel() {
    let _watchdog = Watchdog::new("waiting for a channel");
    let answer = on_worker(
        1,
        cede::scope(async {
            cede::call(|| ()).await;
            let (send, receive) = mpsc::channel();
            tokio::spawn(async move { send.send(7).unwrap() });
            receive.recv().unwrap()
        }),
    );
    assert_eq!(answer, 7);
}

/// The output is ready in a poll that has lost its slot, so that it has to wait for the next one.
#[test]
fn in_the_last_poll_of_a_scope() {
    let _watchdog = Watchdog::new("the last poll of a scope");
    let polls = on_worker(1, async {
        let mut polls = 0;
        let mut scope = std::pin::pin!(cede::scope(async {
            cede::call(|| ()).await;
            block_on_another_task()
        }));
        let answer = std::future::poll_fn(|cx| {
            polls += 1;
            scope.as_mut().poll(cx)
        });
        assert_eq!(answer.await, 7);
        polls
    });
    assert_eq!(polls, 2);
}
