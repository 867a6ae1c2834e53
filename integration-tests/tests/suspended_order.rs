//! Suspended calls share their thread, and go on in whatever order their callbacks are answered.

use cede_fixtures::deep::local_address;
use cede_fixtures::nest::Frames;
use cede_integration_tests::{current_thread, on_current_thread, under_c, under_nested_c, workers};
use std::collections::HashSet;
use std::sync::mpsc::channel;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

/// Orders in which six calls are answered.
const ORDERS: [[usize; 6]; 4] = [
    [0, 1, 2, 3, 4, 5],
    [5, 4, 3, 2, 1, 0],
    [3, 0, 5, 1, 4, 2],
    [2, 4, 1, 5, 0, 3],
];

/// Six calls suspend, twice each; in the given order they are answered, and each gets what it was told.
async fn answered_in(order: [usize; 6]) {
    let (finish, finished) = channel();
    let mut asked = Vec::new();
    let mut tell = Vec::new();
    let mut tasks = Vec::new();
    for n in order.iter().enumerate().map(|(n, _)| n) {
        let (ask, is_asked) = oneshot::channel();
        let (tell_first, first) = oneshot::channel::<usize>();
        let (tell_second, second) = oneshot::channel::<usize>();
        let finish = finish.clone();
        asked.push(is_asked);
        tell.push((tell_first, tell_second));
        tasks.push(spawn_local(
            cede::call(move || {
                let frames = Frames::default();
                let before = local_address();
                let mut sum = 0;
                let mut waits = vec![second, first];
                let mut ask = Some(ask);
                for _ in 0..2 {
                    let code = under_nested_c(&frames, 3, || {
                        let (wait, ask) = (waits.pop().unwrap(), ask.take());
                        let told = cede::callback(async {
                            if let Some(ask) = ask {
                                ask.send(()).unwrap();
                            }
                            wait.await.unwrap()
                        });
                        sum += told.unwrap();
                        0
                    });
                    assert_eq!(code, 0);
                }
                assert_eq!(local_address(), before, "C goes on where it was");
                assert_eq!(frames.left.into_inner(), 6);
                finish.send(n).unwrap();
                sum
            })
            .suspendable(),
        ));
    }
    for asked in asked {
        asked.await.unwrap();
    }
    let (first, second): (Vec<_>, Vec<_>) = tell
        .into_iter()
        .map(|(first, second)| (Some(first), Some(second)))
        .unzip();
    let (mut first, mut second) = (first, second);
    for &n in order.iter().rev() {
        first[n].take().unwrap().send(n * 10).unwrap();
        tokio::task::yield_now().await;
    }
    for &n in &order {
        second[n].take().unwrap().send(n).unwrap();
        while finished.try_recv() != Ok(n) {
            tokio::task::yield_now().await;
        }
    }
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), n * 11);
    }
}

#[test]
fn any_order() {
    for runtime in [current_thread(), workers(1)] {
        for order in ORDERS {
            LocalSet::new().block_on(&runtime, async {
                spawn_local(answered_in(order)).await.unwrap()
            });
        }
    }
}

/// Many more than stacks are kept: each has its own, and all are given back.
#[test]
fn a_thousand_side_by_side() {
    const CALLS: usize = 1000;
    on_current_thread(async {
        let (open, opened) = tokio::sync::watch::channel(false);
        let (report, reports) = channel();
        let tasks: Vec<_> = (0..CALLS)
            .map(|n| {
                let (mut opened, report) = (opened.clone(), report.clone());
                tokio::spawn(
                    cede::call(move || {
                        let here = local_address();
                        let waited = under_c(|| {
                            cede::callback(async {
                                report.send(here).unwrap();
                                opened.wait_for(|opened| *opened).await.is_ok()
                            })
                        });
                        assert_eq!(waited, Ok(true));
                        n
                    })
                    .suspendable()
                    .stack_size(64 << 10),
                )
            })
            .collect();
        let mut places = HashSet::new();
        while places.len() < CALLS {
            tokio::task::yield_now().await;
            places.extend(reports.try_iter());
        }
        assert!(cede::metrics().stacks >= CALLS);
        open.send(true).unwrap();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
    });
}
