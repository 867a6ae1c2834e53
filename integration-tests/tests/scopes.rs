//! Calls in a scope give what they give outside of one, and leave the worker to others in between.

use cede_fixtures::{Gate, plain, time};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, on_worker, workers};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use tokio::task::yield_now;

#[test]
fn results_are_right_and_in_order() {
    let _watchdog = Watchdog::new("results in a scope");
    let sum = on_worker(
        1,
        cede::scope(async {
            let mut sum = 0;
            for n in 0..1000 {
                let mut borrowed = n;
                cede::call(|| borrowed = plain::empty(borrowed)).await;
                assert_eq!(borrowed, n + 1);
                sum += borrowed;
                if n % 10 == 0 {
                    yield_now().await;
                }
            }
            sum
        }),
    );
    assert_eq!(sum, (1..=1000).sum::<std::ffi::c_int>());
}

#[test]
fn others_run_between_many_calls() {
    let _watchdog = Watchdog::new("others in between");
    let runtime = workers(1);
    let (over, turns) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (is_over, count, count_of_turns) = (over.clone(), turns.clone(), turns);
    let other = async move {
        while !is_over.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
        }
    };
    let scope = cede::scope(async move {
        tokio::spawn(other);
        // Without end if the scope does not yield.
        while count_of_turns.load(Ordering::SeqCst) < 8 {
            assert_eq!(cede::call(|| plain::empty(1)).await, 2);
        }
        over.store(true, Ordering::SeqCst);
    });
    runtime.block_on(runtime.spawn(scope)).unwrap();
}

#[test]
fn the_calls_of_a_join_share_what_a_poll_allows() {
    let _watchdog = Watchdog::new("a join's calls");
    let most = on_worker(
        1,
        cede::scope(async {
            // Those that C was entered for: one whose slot was lost is ready in the next poll.
            let made = AtomicUsize::new(0);
            let call = || {
                made.fetch_add(1, Ordering::Relaxed);
                time::spin_us(25);
            };
            let mut calls: Vec<_> = (0..600).map(|_| Some(Box::pin(cede::call(call)))).collect();
            let mut most = 0;
            poll_fn(|cx| {
                let before = made.load(Ordering::Relaxed);
                for call in &mut calls {
                    if call
                        .as_mut()
                        .is_some_and(|call| call.as_mut().poll(cx).is_ready())
                    {
                        *call = None;
                    }
                }
                most = most.max(made.load(Ordering::Relaxed) - before);
                match calls.iter().flatten().next() {
                    None => Poll::Ready(()),
                    Some(_) => Poll::Pending,
                }
            })
            .await;
            most
        }),
    );
    // The first round, and the probe, whose 16 calls take too long for another.
    assert!(most <= 144, "{most} calls in one poll");
}

#[test]
fn all_calls_of_a_join_are_made() {
    let _watchdog = Watchdog::new("join in a scope");
    let answers = on_worker(
        1,
        cede::scope(async {
            let calls = (0..500).map(|n| async move {
                let twice = cede::call(|| plain::empty(n)).await;
                yield_now().await;
                twice + cede::call(|| plain::empty(n)).await
            });
            let many = futures::future::join_all(calls);
            let gate = Arc::new(Gate::new());
            let opener = gate.clone();
            tokio::spawn(async move { opener.open() });
            let lasting = cede::call(|| gate.wait());
            let (many, (), brief) =
                tokio::join!(many, lasting, cede::call(|| plain::empty(1)).brief());
            (many, brief)
        }),
    );
    assert_eq!(answers, ((0..500).map(|n| 2 * (n + 1)).collect(), 2));
}

#[test]
fn a_scope_in_a_scope_is_one() {
    let _watchdog = Watchdog::new("scope in scope");
    let answer = on_worker(
        1,
        cede::scope(async {
            let before = cede::call(|| 1).await;
            let inside = cede::scope(async {
                let here = cede::call(|| 2).await;
                here + cede::scope(async { cede::call(|| 4).await }).await
            });
            let inside = inside.await;
            let under = cede::call(|| {
                cede::callback(cede::scope(async {
                    yield_now().await;
                    cede::call(|| 8).await
                }))
            });
            before + inside + under.await.unwrap() + cede::call(|| 16).await
        }),
    );
    assert_eq!(answer, 31);
}

#[test]
fn a_scope_needs_no_worker() {
    let _watchdog = Watchdog::new("scope without a worker");
    let body = || {
        cede::scope(async {
            let mut sum = 0;
            for n in 0..1000 {
                sum += cede::call(|| plain::empty(n)).await;
            }
            sum
        })
    };
    let expected = (1..=1000).sum::<std::ffi::c_int>();
    assert_eq!(futures::executor::block_on(body()), expected);
    assert_eq!(current_thread().block_on(body()), expected);
    assert_eq!(workers(1).block_on(body()), expected);
}

#[test]
fn spawn_is_a_task_in_a_scope() {
    let _watchdog = Watchdog::new("spawn");
    let runtime = workers(2);
    let sum = runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|n| cede::spawn(async move { cede::call(|| plain::empty(n)).await }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, (1..=100).sum::<std::ffi::c_int>());
}

/// The slot goes in the call with which the scope would have been ready.
#[test]
fn a_scope_that_loses_its_slot_in_its_last_poll_has_its_output() {
    let _watchdog = Watchdog::new("slot lost in the last poll");
    for _ in 0..50 {
        let gate = Arc::new(Gate::new());
        let opener = gate.clone();
        let answer = on_worker(
            1,
            cede::scope(async move {
                cede::call(|| ()).await;
                tokio::spawn(async move { opener.open() });
                let mut call = pin!(cede::call(|| {
                    gate.wait();
                    7
                }));
                // Ready with whatever the call comes to in this very poll.
                let first = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
                (first, call.await)
            }),
        );
        assert_eq!(answer, (Poll::Pending, 7));
    }
}

#[test]
fn a_panic_in_a_scope_leaves_the_worker_as_it_was() {
    let _watchdog = Watchdog::new("panic in a scope");
    let runtime = workers(1);
    for round in 0..6 {
        let task = cede::scope(async move {
            cede::call(|| ()).await;
            match round % 3 {
                0 => panic!("between calls"),
                1 => cede::call(|| panic!("in a call")).await,
                _ => {
                    let refused = cede::call(|| cede::callback(async { panic!("in a callback") }));
                    refused.await.unwrap()
                }
            }
        });
        let outcome: Result<(), _> = runtime.block_on(runtime.spawn(task));
        assert!(outcome.unwrap_err().is_panic());

        let after = runtime.spawn(async {
            let gate = Arc::new(Gate::new());
            let opener = gate.clone();
            tokio::spawn(async move { opener.open() });
            cede::call(|| gate.wait()).await;
            cede::scope(async { cede::call(|| 7).await }).await
        });
        assert_eq!(runtime.block_on(after).unwrap(), 7);
    }
}

#[test]
fn a_scope_dropped_amid_its_calls_leaves_the_worker_as_it_was() {
    let _watchdog = Watchdog::new("scope dropped");
    let runtime = workers(1);
    let task = runtime.spawn(async {
        for _ in 0..10 {
            let mut scope = Box::pin(cede::scope(async {
                loop {
                    cede::call(|| ()).await;
                }
            }));
            let polled = poll_fn(|cx| Poll::Ready(scope.as_mut().poll(cx).is_ready())).await;
            assert!(!polled);
            drop(scope);
            assert_eq!(cede::call(|| 7).await, 7);
        }
    });
    runtime.block_on(task).unwrap();
}
