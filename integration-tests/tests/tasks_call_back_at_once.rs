//! Callbacks of several tasks run side by side, and wait for each other if they like, also on one worker: each goes on with its
//! own call.

use cede::Refused;
use cede_fixtures::{bridge, callback};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_current_thread, on_worker, under_c};
use std::ffi::{c_int, c_long};
use std::sync::Arc;
use tokio::sync::{Barrier, mpsc, oneshot};

/// Has C call back `n` times; what it makes of the answers.
fn asks(n: c_int, mut ask: impl FnMut(c_int) -> Result<c_int, Refused>) -> c_long {
    let mut f = |arg| ask(arg).unwrap_or(-1);
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call.
    unsafe { callback::call_n(cb, ud, n) }
}

/// Neither callback is through before the other has begun.
async fn meet(tasks: usize, suspendable: bool) {
    const ROUNDS: c_int = 20;
    let barrier = Arc::new(Barrier::new(tasks));
    let tasks: Vec<_> = (1..=tasks)
        .map(|number| {
            let barrier = barrier.clone();
            tokio::spawn(async move {
                let number = c_int::try_from(number).unwrap();
                let call = cede::call(move || {
                    asks(ROUNDS, |_| {
                        cede::callback(async {
                            barrier.wait().await;
                            number
                        })
                    })
                });
                let sum = if suspendable {
                    call.suspendable().await
                } else {
                    call.await
                };
                assert_eq!(sum, c_long::from(ROUNDS * number));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn two() {
    let _watchdog = Watchdog::new("two callbacks that wait for each other");
    on_worker(1, meet(2, false));
    on_worker(2, meet(2, false));
    on_current_thread(meet(2, true));
}

#[test]
fn more_than_there_are_workers() {
    let _watchdog = Watchdog::new("callbacks that wait for each other");
    on_worker(1, meet(16, false));
    on_worker(2, meet(16, false));
    on_current_thread(meet(16, true));
}

/// Each callback hands the turn to the other one and waits to have it back: they alternate strictly.
async fn take_turns() {
    const TURNS: c_int = 100;
    let (to_white, mut white) = mpsc::channel(1);
    let (to_black, mut black) = mpsc::channel(1);
    let serves = tokio::spawn(async move {
        cede::call(|| {
            asks(TURNS, |turn| {
                cede::callback(async {
                    to_black.send(turn).await.unwrap();
                    white.recv().await.unwrap()
                })
            })
        })
        .await
    });
    let returns = tokio::spawn(async move {
        cede::call(|| {
            asks(TURNS, |_| {
                cede::callback(async {
                    let turn = black.recv().await.unwrap();
                    to_white.send(turn + 1).await.unwrap();
                    turn
                })
            })
        })
        .await
    });
    let sum = c_long::from(TURNS * (TURNS - 1) / 2);
    assert_eq!(serves.await.unwrap(), sum + c_long::from(TURNS));
    assert_eq!(returns.await.unwrap(), sum);
}

#[test]
fn in_turns() {
    let _watchdog = Watchdog::new("callbacks that take turns");
    on_worker(1, take_turns());
    on_worker(2, take_turns());
}

/// The call that began first is answered last, and is none the worse for it.
async fn the_later_one_first() {
    let (first_answer, first) = oneshot::channel::<i32>();
    let (second_answer, second) = oneshot::channel::<i32>();
    let (first_began, first_has_begun) = oneshot::channel();
    let first = tokio::spawn(async move {
        cede::call(|| {
            under_c(|| {
                cede::callback(async {
                    first_began.send(()).unwrap();
                    first.await.unwrap()
                })
            })
        })
        .await
    });
    first_has_begun.await.unwrap();
    let second = tokio::spawn(async move {
        cede::call(|| under_c(|| cede::callback(async { second.await.unwrap() }))).await
    });
    second_answer.send(2).unwrap();
    assert_eq!(second.await.unwrap(), Ok(2));
    assert!(!first.is_finished());
    first_answer.send(1).unwrap();
    assert_eq!(first.await.unwrap(), Ok(1));
}

#[test]
fn in_another_order_than_they_began() {
    let _watchdog = Watchdog::new("callbacks that end in another order");
    on_worker(1, the_later_one_first());
    on_worker(2, the_later_one_first());
}

/// A callback of the one waits until the other task's C has called back from a call under a callback.
#[test]
fn at_different_depths() {
    let _watchdog = Watchdog::new("callbacks at different depths");
    for count in [1, 2] {
        on_worker(count, async {
            let (tell, told) = oneshot::channel();
            let deep = tokio::spawn(async move {
                let mut tell = Some(tell);
                let inner = async {
                    cede::call(|| {
                        under_c(|| {
                            let tell = tell.take().unwrap();
                            cede::callback(async { tell.send(3).unwrap() })
                        })
                    })
                    .await
                };
                cede::call(|| under_c(|| cede::callback(inner))).await
            });
            let waits = cede::call(|| under_c(|| cede::callback(async { told.await.unwrap() })));
            assert_eq!(waits.await, Ok(3));
            assert_eq!(deep.await.unwrap(), Ok(Ok(())));
        });
    }
}
