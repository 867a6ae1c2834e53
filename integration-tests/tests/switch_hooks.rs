//! The hooks of `Config::on_switch` come in pairs: `leave` when a call suspends, `enter` with leave's word before it goes
//! on. They keep a library's per-thread state with the C stack it belongs to. Calls that park do not need them.
//!
//! One test: the hooks are the process's.

use cede::Config;
use cede_integration_tests::{on_current_thread, on_worker, under_c};
use std::cell::Cell;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

thread_local! {
    /// What some C library keeps for each thread; zero when a call finds it untouched.
    static STATE: Cell<usize> = const { Cell::new(0) };
}

static LEFT: AtomicUsize = AtomicUsize::new(0);
static ENTERED: AtomicUsize = AtomicUsize::new(0);

fn leave() -> usize {
    LEFT.fetch_add(1, Ordering::SeqCst);
    STATE.replace(0)
}

fn enter(state: usize) {
    ENTERED.fetch_add(1, Ordering::SeqCst);
    STATE.set(state);
}

fn counts() -> (usize, usize) {
    (LEFT.load(Ordering::SeqCst), ENTERED.load(Ordering::SeqCst))
}

/// C that keeps `mine` in its thread's state, and finds it there after each callback.
fn keeps(mine: usize, mut callback: impl FnMut(usize)) -> bool {
    assert_eq!(STATE.get(), 0, "a fresh call finds no other's state");
    STATE.set(mine);
    for n in 0..3 {
        callback(n);
        if STATE.get() != mine {
            return false;
        }
    }
    STATE.set(0);
    true
}

#[test]
fn per_thread_state_stays_with_its_stack() {
    Config::new().on_switch(leave, enter).install().unwrap();

    // Side by side, each in turn.
    on_current_thread(async {
        let tasks: Vec<_> = (1..=10)
            .map(|mine| {
                let keeps = move || {
                    keeps(mine, |_| {
                        under_c(|| cede::callback(tokio::task::yield_now())).unwrap()
                    })
                };
                tokio::spawn(cede::call(keeps).suspendable())
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
    });
    assert_eq!(counts(), (30, 30));

    // A callback that is ready at once suspends nothing, nor does one that parks.
    let ready = |mine| move || keeps(mine, |_| under_c(|| cede::callback(async {})).unwrap());
    assert!(on_current_thread(cede::call(ready(1)).suspendable()));
    assert!(on_worker(
        1,
        cede::call(
            || keeps(2, |_| under_c(|| cede::callback(tokio::task::yield_now()))
                .unwrap())
        )
    ));
    assert!(on_worker(
        1,
        cede::call(
            || keeps(3, |_| under_c(|| cede::callback(tokio::task::yield_now()))
                .unwrap())
        )
        .suspendable()
    ));
    assert_eq!(counts(), (30, 30));

    // A call that is cancelled goes on to its end with its own state.
    on_current_thread(async {
        let (report, reported) = oneshot::channel();
        let task = tokio::spawn(
            cede::call(move || {
                let kept = keeps(4, |_| {
                    let refused = under_c(|| cede::callback(pending::<()>()));
                    assert_eq!(refused, Err(cede::Refused::Cancelled));
                });
                report.send(kept).unwrap();
            })
            .suspendable(),
        );
        tokio::task::yield_now().await;
        assert_eq!(STATE.get(), 0);
        task.abort();
        assert!(reported.await.unwrap());
    });
    assert_eq!(counts(), (31, 31));

    // One that is polled without being ready is left alone.
    on_current_thread(async {
        let (tell, told) = oneshot::channel();
        let mut told = Some(told);
        let call = cede::call(move || {
            keeps(5, |_| {
                if let Some(told) = told.take() {
                    under_c(|| cede::callback(async { told.await.unwrap() })).unwrap();
                }
            })
        });
        let other = async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
                assert_eq!(STATE.get(), 0);
            }
            tell.send(()).unwrap();
        };
        assert_eq!(tokio::join!(call.suspendable(), other), (true, ()));
    });
    assert_eq!(counts(), (32, 32));
}
