//! tokio allows the poll of a task some 128 operations; one call may make any number of callbacks,
//! although the poll goes on until C has returned.

use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_current_thread, on_worker, under_c, workers};
use tokio::sync::{mpsc, oneshot};

const CALLBACKS: u32 = 1000;

type Ask = mpsc::Sender<oneshot::Sender<()>>;

/// Starts a task that answers.
fn answering() -> Ask {
    let (ask, mut asked) = mpsc::channel::<oneshot::Sender<()>>(1);
    tokio::spawn(async move {
        while let Some(answer) = asked.recv().await {
            answer.send(()).unwrap();
        }
    });
    ask
}

/// Callbacks that each wait for the task that answers.
fn callbacks(ask: &Ask) {
    for _ in 0..CALLBACKS {
        let answered = under_c(|| {
            cede::callback(async {
                let (answer, answered) = oneshot::channel();
                ask.send(answer).await.unwrap();
                answered.await.unwrap();
            })
        });
        answered.unwrap();
    }
}

#[test]
fn in_a_call() {
    let _watchdog = Watchdog::new("call");
    on_worker(1, async {
        let ask = answering();
        cede::call(|| callbacks(&ask)).await;
    });
}

#[test]
fn in_a_call_that_has_ceded_nothing() {
    let _watchdog = Watchdog::new("brief call");
    on_worker(1, async {
        let ask = answering();
        cede::call(|| callbacks(&ask)).brief().await;
    });
}

#[test]
fn on_a_thread_that_has_no_slot() {
    let _watchdog = Watchdog::new("block_on thread");
    workers(1).block_on(async {
        let ask = answering();
        cede::call(|| callbacks(&ask)).await;
        cede::call(|| callbacks(&ask)).on_thread_stack().await;
    });
}

#[test]
fn in_a_suspendable_call() {
    let _watchdog = Watchdog::new("suspendable call");
    on_current_thread(async {
        let ask = answering();
        cede::call(move || callbacks(&ask)).suspendable().await;
    });
}

#[test]
fn what_is_ready_is_not_refused() {
    on_current_thread(async {
        let (send, mut receive) = mpsc::unbounded_channel();
        for n in 0..CALLBACKS {
            send.send(n).unwrap();
        }
        cede::call(|| {
            for n in 0..CALLBACKS {
                let received = under_c(|| cede::callback(receive.recv()));
                assert_eq!(received, Ok(Some(n)));
            }
        })
        .await;
    });
}
