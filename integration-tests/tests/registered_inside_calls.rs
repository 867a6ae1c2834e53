//! A registered callback that arrives inside a call runs on that call's task, like any other callback.

use cede::Registered;
use cede_fixtures::callback::call_once;
use cede_integration_tests::{on_current_thread, on_worker, workers};
use futures::FutureExt;
use std::ffi::c_int;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

tokio::task_local! {
    static COLOUR: &'static str;
}

/// Has C call back, inside a call.
async fn called_back(registered: &Registered<fn(c_int) -> c_int>, arg: c_int) -> c_int {
    let (function, data) = (registered.data_first(), registered.data().addr());
    cede::call(move || {
        let data = std::ptr::without_provenance_mut(data);
        // SAFETY: the function may be called with this data.
        unsafe { call_once(function, data, arg) }
    })
    .suspendable()
    .await
}

async fn runs_on_the_calling_task() {
    let task = tokio::task::try_id();
    let registered = Registered::new(-1, move |n: c_int| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(tokio::task::try_id(), task);
        assert_eq!(COLOUR.get(), "blue");
        n + 1
    });
    let before = cede::metrics().foreign_callbacks;
    let answer = COLOUR.scope("blue", called_back(&registered, 6)).await;
    assert_eq!(answer, 7);
    assert_eq!(cede::metrics().foreign_callbacks, before);
}

#[test]
fn on_the_task_that_made_the_call() {
    on_worker(1, runs_on_the_calling_task());
    workers(1).block_on(runs_on_the_calling_task());
    on_current_thread(runs_on_the_calling_task());
}

/// The registering runtime has nothing to do with it then.
#[test]
fn though_it_was_registered_elsewhere_and_that_runtime_is_gone() {
    let elsewhere = workers(1);
    let registered = {
        let _inside = elsewhere.enter();
        Registered::new(-1, |n: c_int| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            n
        })
    };
    drop(elsewhere);
    on_worker(1, async move {
        assert_eq!(called_back(&registered, 9).await, 9);
    });
}

#[test]
fn its_panic_is_raised_by_the_call() {
    on_worker(1, async {
        let panics = [
            Registered::new(-1, |n: c_int| async move {
                assert_eq!(n, 0, "in the future");
                n
            }),
            Registered::new(-1, |n: c_int| {
                assert_eq!(n, 0, "in the closure");
                async move { n }
            }),
        ];
        for registered in &panics {
            let called = AssertUnwindSafe(called_back(registered, 1)).catch_unwind();
            let payload = called.await.unwrap_err();
            let message = payload.downcast_ref::<String>().unwrap();
            assert!(message.contains("in the "), "{message}");
            // Another call is not affected.
            assert_eq!(called_back(registered, 0).await, 0);
            assert_eq!(registered.in_flight(), 0);
        }
    });
}

/// The thread refers to the stack that the closure runs on, so that is not set aside: the callback would have to park, and is refused.
#[test]
fn its_closure_does_not_suspend_the_call() {
    on_current_thread(async {
        let registered = Registered::new(-1, |_: c_int| {
            let answer = cede::callback(std::future::pending::<()>());
            async move { c_int::from(answer == Err(cede::Refused::WouldStarve)) }
        });
        assert_eq!(called_back(&registered, 0).await, 1);
    });
}
