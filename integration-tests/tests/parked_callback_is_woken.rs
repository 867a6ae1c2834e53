//! A callback that is not ready parks its thread, and whatever wakes its future wakes the thread.

use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_worker, workers};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

#[test]
fn by_another_task_of_the_only_worker() {
    let _watchdog = Watchdog::new("woken by a task");
    let answer = on_worker(1, async {
        let (send, receive) = oneshot::channel();
        tokio::spawn(async move { send.send(7).unwrap() });
        cede::call(|| cede::callback(receive)).await
    });
    assert_eq!(answer.unwrap(), Ok(7));
}

#[test]
fn by_a_thread_outside() {
    let _watchdog = Watchdog::new("woken by a thread");
    let answer = on_worker(1, async {
        let (send, receive) = oneshot::channel();
        cede::call(|| {
            cede::callback(async move {
                std::thread::spawn(move || send.send(7).unwrap());
                receive.await.unwrap()
            })
        })
        .await
    });
    assert_eq!(answer, Ok(7));
}

#[test]
fn by_a_timer() {
    let _watchdog = Watchdog::new("woken by a timer");
    let answer = on_worker(1, async {
        cede::call(|| {
            cede::callback(async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                7
            })
        })
        .await
    });
    assert_eq!(answer, Ok(7));
}

#[test]
fn by_its_own_poll() {
    let _watchdog = Watchdog::new("woken by its own poll");
    let answer = on_worker(1, async {
        cede::call(|| {
            cede::callback(async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                7
            })
        })
        .await
    });
    assert_eq!(answer, Ok(7));
}

#[test]
fn again_and_again_by_turns() {
    let _watchdog = Watchdog::new("woken by turns");
    const TURNS: u32 = 500;
    on_worker(1, async {
        let (ping, mut pinged) = mpsc::channel(1);
        let (pong, mut ponged) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(n) = pinged.recv().await {
                pong.send(n + 1).await.unwrap();
            }
        });
        cede::call(move || {
            for n in 0..TURNS {
                let answer = cede::callback(async {
                    ping.send(n).await.unwrap();
                    ponged.recv().await.unwrap()
                });
                assert_eq!(answer, Ok(n + 1));
            }
        })
        .await;
    });
}

#[test]
fn many_at_once_by_one_another() {
    let _watchdog = Watchdog::new("woken by one another");
    const TASKS: usize = 50;
    let runtime = workers(2);
    let (all, here) = (
        Arc::new(tokio::sync::Barrier::new(TASKS)),
        Arc::new(Notify::new()),
    );
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let (all, here) = (all.clone(), here.clone());
            runtime.spawn(async move {
                cede::call(|| {
                    cede::callback(async {
                        // All of them wait here, so all of them are parked at once.
                        all.wait().await;
                        here.notify_one();
                        here.notified().await;
                        here.notify_one();
                        n
                    })
                })
                .await
            })
        })
        .collect();
    runtime.block_on(async {
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Ok(n));
        }
    });
}
