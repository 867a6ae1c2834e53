//! A call whose future is dropped between C's return and the poll that would have delivered the result: the result is
//! dropped, once.

use cede_fixtures::Gate;
use cede_integration_tests::{PATIENCE, on_worker, under_c};
use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;

/// Counts its drops by the count of the `Arc`.
type Witness = Arc<()>;

/// Polls once. A call that lost its slot while it was in C is pending then, with its result in hand.
async fn polled_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// A call that returns only when another task of the same single worker has run: so its slot is gone.
fn loses_its_slot<R>(returned: R) -> impl Future<Output = R> {
    let gate = Arc::new(Gate::new());
    let opener = gate.clone();
    tokio::spawn(async move { opener.open() });
    cede::call(move || {
        assert!(gate.wait_for(PATIENCE));
        returned
    })
}

#[test]
fn with_the_future() {
    on_worker(1, async {
        let witness = Witness::default();
        {
            let mut call = Box::pin(loses_its_slot(witness.clone()));
            assert!(polled_once(call.as_mut()).await.is_pending());
            assert_eq!(Arc::strong_count(&witness), 2, "C has returned it");
        }
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn by_select() {
    on_worker(1, async {
        let witness = Witness::default();
        tokio::select! {
            biased;
            _ = loses_its_slot(witness.clone()) => unreachable!("pending when it has lost its slot"),
            () = std::future::ready(()) => (),
        }
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn by_abort() {
    let witness = Witness::default();
    let (returned, report) = (witness.clone(), oneshot::channel());
    let (report, reported) = report;
    on_worker(1, async move {
        let task = tokio::spawn(async {
            let mut call = Box::pin(loses_its_slot(returned));
            assert!(polled_once(call.as_mut()).await.is_pending());
            report.send(()).unwrap();
            std::future::pending::<()>().await;
            call.await
        });
        reported.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn or_is_delivered_by_the_next_poll() {
    on_worker(1, async {
        let witness = Witness::default();
        let mut call = Box::pin(loses_its_slot(witness.clone()));
        assert!(polled_once(call.as_mut()).await.is_pending());
        let Poll::Ready(delivered) = polled_once(call.as_mut()).await else {
            panic!("the second poll has a slot");
        };
        assert_eq!(Arc::strong_count(&delivered), 2);
    });
}

/// A panic of C's side is a result like any other.
#[test]
fn a_panic_is_dropped_too() {
    on_worker(1, async {
        let witness = Witness::default();
        {
            let payload = witness.clone();
            let gate = Arc::new(Gate::new());
            let opener = gate.clone();
            tokio::spawn(async move { opener.open() });
            let mut call = Box::pin(cede::call(move || {
                assert!(gate.wait_for(PATIENCE));
                under_c(|| cede::callback(async { panic_any(payload) }))
            }));
            assert!(polled_once(call.as_mut()).await.is_pending());
            assert_eq!(Arc::strong_count(&witness), 2);
        }
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}
