//! Outside of a call there is nobody to run a callback's future: it is refused, and dropped.

use cede::Refused;
use cede_integration_tests::{current_thread, on_current_thread, on_worker, under_c, workers};
use std::sync::Arc;

fn is_refused() {
    let witness = Arc::new(());
    let held = witness.clone();
    let refused = cede::callback(async move { drop(held) });
    assert_eq!(refused, Err(Refused::NoCall));
    assert_eq!(Arc::strong_count(&witness), 1);
    assert_eq!(cede::callback_local(async {}), Err(Refused::NoCall));
}

#[test]
fn anywhere_outside() {
    is_refused();
    on_worker(1, async { is_refused() });
    on_worker(1, cede::scope(async { is_refused() }));
    workers(1).block_on(async { is_refused() });
    current_thread().block_on(async { is_refused() });
}

#[test]
fn on_a_thread_that_c_has_started_itself() {
    on_worker(1, async {
        cede::call(|| std::thread::spawn(is_refused).join().unwrap()).await;
    });
}

#[test]
fn after_the_call() {
    on_worker(1, async {
        assert_eq!(
            cede::call(|| under_c(|| cede::callback(async { 1 }))).await,
            Ok(1)
        );
        is_refused();
        let panicked = tokio::spawn(cede::call(|| panic!("from f"))).await;
        assert!(panicked.unwrap_err().is_panic());
        is_refused();
    });
}

#[test]
fn in_another_task_while_a_call_is_suspended() {
    on_current_thread(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let call =
            cede::call(|| under_c(|| cede::callback(async { told.await.unwrap() }))).suspendable();
        let other = async {
            is_refused();
            tell.send(1).unwrap();
        };
        assert_eq!(tokio::join!(call, other), (Ok(1), ()));
    });
}

/// The future of a callback is polled by the task, not under C: it is no code that C has called.
#[test]
fn in_the_future_of_a_callback() {
    on_worker(1, async {
        assert_eq!(
            cede::call(|| under_c(|| cede::callback(async { is_refused() }))).await,
            Ok(())
        );
        let on_top = cede::call(|| under_c(|| cede::callback(async { is_refused() })));
        assert_eq!(on_top.on_thread_stack().await, Ok(()));
    });
}

/// Code that runs right under an outer call's C finds that one, also when it is the future of an inner call's callback
/// that a nested executor polls there.
#[test]
fn in_a_future_that_is_polled_right_under_an_outer_call() {
    on_worker(1, async {
        let sees_outer = async { cede::callback(async { tokio::task::try_id().is_some() }) };
        let answer = cede::call(|| {
            under_c(|| {
                let inner = cede::call(|| under_c(|| cede::callback(sees_outer)));
                futures::executor::block_on(inner)
            })
        })
        .await;
        assert_eq!(answer, Ok(Ok(true)));
    });
}
