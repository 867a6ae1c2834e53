//! Code under C may drive calls of its own, with an executor of its own, without any callback.

use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, on_current_thread, on_worker};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// An executor that may run in itself, unlike that of `futures`.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

async fn calls_under_calls(depth: u32) -> u32 {
    if depth == 0 {
        return cede::call(|| 1).await;
    }
    let below = cede::call(|| block_on(Box::pin(calls_under_calls(depth - 1)))).await;
    let long = cede::call(|| block_on(cede::call(|| 1).long())).await;
    let brief = cede::call(|| block_on(cede::call(|| 1)) - 1).brief().await;
    let called_back = cede::call(|| {
        block_on(cede::call(|| {
            cede::callback(async { cede::call(|| 1).await }).unwrap()
        })) - 1
    });
    below + long + brief + called_back.await
}

#[test]
fn on_a_worker() {
    let _watchdog = Watchdog::new("nested on a worker");
    assert_eq!(on_worker(1, calls_under_calls(5)), 6);
}

#[test]
fn in_a_scope() {
    let _watchdog = Watchdog::new("nested in a scope");
    assert_eq!(on_worker(1, cede::scope(calls_under_calls(5))), 6);
}

#[test]
fn on_a_current_thread_runtime() {
    let _watchdog = Watchdog::new("nested on a current-thread runtime");
    assert_eq!(on_current_thread(calls_under_calls(5)), 6);
}

#[test]
fn on_a_runtime_of_their_own() {
    let _watchdog = Watchdog::new("nested runtime");
    let answer = on_worker(1, async {
        let inner = cede::call(|| current_thread().block_on(cede::scope(calls_under_calls(5))));
        inner.await + calls_under_calls(5).await
    });
    assert_eq!(answer, 12);
}

/// What is nested counts as C until it has returned, so the slot can be taken from all of it.
#[test]
fn and_are_retaken() {
    let _watchdog = Watchdog::new("nested and retaken");
    let answer = on_worker(1, async {
        let mut sum = 0;
        for _ in 0..10 {
            let gate = Arc::new(Gate::new());
            let opener = gate.clone();
            tokio::spawn(async move { opener.open() });
            cede::call(|| {
                sum += block_on(cede::call(|| 1));
                block_on(cede::call(|| gate.wait()));
                gate.wait();
            })
            .await;
            let gate = Arc::new(Gate::new());
            let opener = gate.clone();
            tokio::spawn(async move { opener.open() });
            cede::call(|| {
                sum += block_on(cede::call(|| 1));
                gate.wait();
            })
            .await;
        }
        sum
    });
    assert_eq!(answer, 20);
}
