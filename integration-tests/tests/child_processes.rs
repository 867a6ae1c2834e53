//! C may fork and execute other programs, in a call and beside others; the parent does not notice, and a child that
//! executes something or ends is as good as any.

use cede_fixtures::process::{forked, run};
use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, later, on_current_thread, on_worker, under_c, workers};
use std::process::Command;
use std::sync::Arc;

async fn in_a_call() {
    for number in 0..5 {
        assert_eq!(cede::call(|| run(c"sh", [c"-c", c"exit 42"])).await, 42);
        assert_eq!(cede::call(|| forked(number)).await, number + 1);
        assert_eq!(cede::call(|| forked(number)).long().await, number + 1);
        let call = cede::call(|| forked(number)).on_thread_stack();
        assert_eq!(call.await, number + 1);
    }
    let status = cede::call(|| Command::new("sh").args(["-c", "exit 3"]).status());
    assert_eq!(status.await.unwrap().code(), Some(3));
}

#[test]
fn of_a_call() {
    on_worker(1, in_a_call());
    on_current_thread(in_a_call());
}

/// Before, in and after callbacks, and in a call under one.
#[test]
fn of_a_call_with_callbacks() {
    let forks = || {
        let before = forked(1);
        let in_between = under_c(|| {
            cede::callback(async {
                later().await;
                let directly = forked(2);
                directly + cede::call(|| run(c"sh", [c"-c", c"exit 10"])).await
            })
        });
        before + in_between.unwrap() + forked(3)
    };
    on_worker(1, async move {
        assert_eq!(cede::call(forks).await, 2 + 13 + 4);
    });
    on_current_thread(async move {
        let call = || cede::call(forks).suspendable();
        assert_eq!(tokio::join!(call(), call()), (19, 19));
    });
}

/// tokio's own children, whose end a signal tells, while C holds the workers.
#[test]
fn of_a_callback() {
    let _watchdog = Watchdog::new("a child of a callback");
    on_worker(1, async {
        let asks = || {
            under_c(|| {
                cede::callback(async {
                    let mut child = tokio::process::Command::new("sh");
                    child.args(["-c", "exit 7"]).status().await.unwrap().code()
                })
            })
        };
        for _ in 0..5 {
            assert_eq!(cede::call(asks).await, Ok(Some(7)));
        }
    });
}

/// Others are in C, and come back from it, while one forks.
#[test]
fn beside_calls_that_go_on() {
    let _watchdog = Watchdog::new("children beside calls");
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    workers(2).block_on(async {
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let (gate, crowd) = (gate.clone(), crowd.clone());
                tokio::spawn(async move { cede::call(|| crowd.wait_at(&gate)).await })
            })
            .collect();
        assert!(crowd.await_inside(8, PATIENCE));
        let forking: Vec<_> = (0..8)
            .map(|number| tokio::spawn(async move { cede::call(|| forked(number)).await }))
            .collect();
        for (number, task) in (1..).zip(forking) {
            assert_eq!(task.await.unwrap(), number);
        }
        gate.open();
        for task in waiting {
            task.await.unwrap();
        }
    });
}
