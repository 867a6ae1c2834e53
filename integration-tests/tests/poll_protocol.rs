//! C runs exactly once, when the call is polled, and the call is a well-behaved future.

use cede_fixtures::plain::empty;
use cede_integration_tests::on_current_thread;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

#[test]
fn never_polled_never_run() {
    let (runs, witness) = (Cell::new(0), Arc::new(()));
    let held = witness.clone();
    let call = cede::call(|| {
        runs.set(runs.get() + 1);
        drop(held);
    });
    drop(call.named("never"));
    assert_eq!(runs.get(), 0);
    assert_eq!(
        Arc::strong_count(&witness),
        1,
        "what the closure holds is dropped"
    );
}

#[test]
fn polled_after_completion_it_panics() {
    let runs = Cell::new(0);
    let mut call = pin!(cede::call(|| runs.set(empty(runs.get()))));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(call.as_mut().poll(&mut context), Poll::Ready(()));
    let again = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context)));
    let message = *again.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("polled after completion"), "{message}");
    assert_eq!(runs.get(), 1);
}

#[test]
fn polled_after_a_panic_it_panics() {
    let mut call = pin!(cede::call(|| -> i32 { panic!("from f") }));
    let mut context = Context::from_waker(Waker::noop());
    for message in ["from f", "`Call` polled after completion"] {
        let panicked = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context)));
        assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), message);
    }
}

/// Polled without being woken, as `select!` and `join!` do.
#[test]
fn polled_for_nothing_while_suspended() {
    on_current_thread(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let runs = Arc::new(());
        let counted = runs.clone();
        let mut call = pin!(
            cede::call(move || {
                let _counted = counted;
                cede_integration_tests::under_c(|| cede::callback(async { told.await.unwrap() }))
            })
            .suspendable()
        );
        for _ in 0..10 {
            let polled = futures::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
        }
        assert_eq!(Arc::strong_count(&runs), 2);
        tell.send(5).unwrap();
        assert_eq!(call.await, Ok(5));
        assert_eq!(Arc::strong_count(&runs), 1);
    });
}
