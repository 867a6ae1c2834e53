//! C runs on another thread, and the task that awaits it is free meanwhile; on every kind of runtime.

use cede::Refused;
use cede_fixtures as fixtures;
use cede_fixtures::plain::empty;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, on_current_thread, on_worker, under_c, workers};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::task::LocalSet;

/// On a worker, on the `block_on` threads, in a `LocalSet`, in a scope, and outside of any runtime.
fn everywhere<F>(test: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let _watchdog = Watchdog::new("an offloaded call");
    on_worker(1, test());
    on_worker(1, cede::scope(test()));
    workers(1).block_on(test());
    on_current_thread(test());
    current_thread().block_on(async { tokio::spawn(test()).await.unwrap() });
    LocalSet::new().block_on(&current_thread(), test());
    futures::executor::block_on(test());
}

#[test]
fn c_runs_on_another_thread() {
    everywhere(|| async {
        let here = thread::current().id();
        let there = cede::offload(|| thread::current().id()).named("here").await;
        assert_ne!(here, there);
        assert_eq!(cede::offload(|| empty(41)).await, 42);
    });
}

#[test]
fn the_task_goes_on_while_c_runs() {
    everywhere(|| async {
        let gate = Arc::new(cede_fixtures::Gate::new());
        let waits = {
            let gate = gate.clone();
            cede::offload(move || gate.wait())
        };
        // C waits for what its own task does.
        let opens = async { gate.open() };
        tokio::join!(waits, opens);
    });
}

#[test]
fn a_callback_is_polled_by_the_task() {
    everywhere(|| async {
        let call = cede::offload(|| {
            let c_thread = thread::current().id();
            let task_thread = under_c(|| {
                cede::callback(async {
                    yields(3).await;
                    thread::current().id()
                })
            });
            assert_ne!(task_thread.unwrap(), c_thread);
            under_c(|| cede::callback(async { 7 }))
        });
        assert_eq!(call.await, Ok(7));
    });
}

/// Returns `Pending` so many times, on any executor.
async fn yields(times: u32) {
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return std::task::Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[test]
fn a_callback_waits_for_what_its_own_task_does_beside_it() {
    everywhere(|| async {
        let (answer, question) = tokio::sync::oneshot::channel();
        let call = cede::offload(move || under_c(|| cede::callback(question)));
        let sibling = async {
            yields(10).await;
            answer.send(5).unwrap();
        };
        let (answered, ()) = tokio::join!(call, sibling);
        assert_eq!(answered, Ok(Ok(5)));
    });
}

tokio::task_local! {
    static LOCAL: u32;
}

#[test]
fn a_callback_has_the_tasks_own_context() {
    on_worker(
        2,
        LOCAL.scope(9, async {
            let id = tokio::task::id();
            let call = cede::offload(move || {
                assert!(LOCAL.try_with(|_| ()).is_err(), "C has none");
                under_c(|| cede::callback(async move { (LOCAL.get(), tokio::task::id() == id) }))
            });
            assert_eq!(call.await, Ok((9, true)));
        }),
    );
}

#[test]
fn a_future_that_is_not_send_is_refused() {
    everywhere(|| async {
        let call = cede::offload(|| {
            let witness = std::rc::Rc::new(());
            let held = witness.clone();
            let refused = under_c(|| cede::callback_local(async move { drop(held) }));
            assert_eq!(std::rc::Rc::strong_count(&witness), 1);
            refused
        });
        assert_eq!(call.await, Err(Refused::NotLocal));
    });
}

/// A typed callback says of its future that it is `Send` by its kind.
#[test]
fn a_typed_callback_is_refused_unless_its_future_is_send() {
    everywhere(|| async {
        let call = cede::offload(|| {
            let ran = std::cell::Cell::new(false);
            let borrows = cede::Callback::new(-7, async |n: i32| {
                ran.set(true);
                n
            });
            // SAFETY: the callback outlives the call, and takes its data first.
            let refused =
                unsafe { fixtures::callback::call_once(borrows.data_first(), borrows.data(), 1) };
            drop(borrows);
            assert!(!ran.get(), "polled on another thread");
            let sends = cede::Callback::sendable(-7, |n: i32| async move { n + 1 });
            // SAFETY: as above.
            let answer =
                unsafe { fixtures::callback::call_once(sends.data_first(), sends.data(), 1) };
            (refused, answer)
        });
        assert_eq!(call.await, (-7, 2));
    });
}

#[test]
fn the_first_panic_is_raised_when_c_has_returned() {
    everywhere(|| async {
        let returned = Arc::new(());
        let held = returned.clone();
        let call = cede::offload(move || {
            assert_eq!(
                under_c(|| cede::callback(async { std::panic::panic_any(1) })),
                Err::<(), _>(Refused::Panicked)
            );
            assert_eq!(under_c(|| cede::callback(async {})), Err(Refused::Panicked));
            drop(held);
            std::panic::panic_any(2);
        });
        assert_eq!(payload_of(call).await, 1);
        assert_eq!(Arc::strong_count(&returned), 1);
        assert_eq!(
            payload_of(cede::offload(|| std::panic::panic_any(3))).await,
            3
        );
    });
}

async fn payload_of(call: impl Future<Output = ()>) -> i32 {
    let mut call = Box::pin(call);
    std::future::poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
            Ok(std::task::Poll::Ready(())) => panic!("did not panic"),
            Err(payload) => std::task::Poll::Ready(*payload.downcast::<i32>().unwrap()),
        }
    })
    .await
}

#[test]
fn nothing_happens_before_the_first_poll() {
    let witness = Arc::new(());
    let held = witness.clone();
    let call = cede::offload(move || drop(held));
    assert_eq!(Arc::strong_count(&witness), 2);
    drop(call);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn a_call_that_is_started_needs_no_poll() {
    on_worker(1, async {
        let (ran, runs) = tokio::sync::oneshot::channel();
        let mut call = cede::offload(move || ran.send(thread::current().id()).unwrap());
        call.try_start().unwrap();
        call.try_start().expect("it has begun");
        runs.await.unwrap();
        call.await;
    });
}

#[test]
fn errno_is_that_of_c_and_callbacks_do_not_change_it() {
    on_worker(1, async {
        let (returned, errno) = cede::offload(|| cede_fixtures::errno::fail_int(libc::EBUSY))
            .with_errno()
            .await;
        assert_eq!((returned, errno.raw()), (-1, libc::EBUSY));
        let call = cede::offload(|| {
            let mut back = |_| {
                let _ =
                    cede::callback(async { tokio::time::sleep(Duration::from_millis(1)).await });
                0
            };
            let (cb, ud) = cede_fixtures::bridge(&mut back);
            // SAFETY: the closure outlives the call.
            unsafe { cede_fixtures::errno::fail_across(cb, ud, libc::ENOSPC) }
        });
        let error = call.or_errno().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    });
}
