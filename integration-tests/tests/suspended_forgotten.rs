//! A suspended call that is forgotten stays suspended for good, with all that it owns, and harms nobody.

use cede_fixtures::plain::empty;
use cede_integration_tests::{on_current_thread, under_c};
use std::future::{Future, pending};
use std::sync::Arc;
use std::task::Poll;

#[test]
fn it_is_harmless() {
    let witness = Arc::new(());
    on_current_thread(async {
        for _ in 0..100 {
            let held = witness.clone();
            let mut call = Box::pin(
                cede::call(move || {
                    let _held = held;
                    // Were this stack left in any other way than by C's return, the scope's promise would be broken.
                    let mut local = 0;
                    std::thread::scope(|scope| {
                        scope.spawn(|| local += 1);
                        let refused = under_c(|| cede::callback(pending::<()>()));
                        unreachable!("nobody answers: {refused:?}");
                    });
                })
                .suspendable(),
            );
            let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx)));
            assert!(polled.await.is_pending());
            std::mem::forget(call);
            assert_eq!(cede::call(|| empty(1)).await, 2);
            assert_eq!(
                cede::call(|| under_c(|| cede::callback(async { 3 })))
                    .suspendable()
                    .await,
                Ok(3)
            );
        }
    });
    assert_eq!(
        Arc::strong_count(&witness),
        101,
        "what it holds is never dropped"
    );
}
