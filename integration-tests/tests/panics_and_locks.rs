//! A panic of a callback treats locks as any panic does: those that unwinding passes are poisoned or released, those that C's
//! side holds are given back in order; and thread and stack are as good as new, however often it happens.

use cede::Refused;
use cede_fixtures::plain::empty;
use cede_integration_tests::{later, on_current_thread, on_worker, under_c, workers};
use futures::FutureExt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, panic_any};
use std::sync::{Arc, Mutex, RwLock, TryLockError};

/// A payload that is known again.
#[derive(Debug, PartialEq)]
struct Marked(u32);

async fn marked(future: impl Future) -> Marked {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(_) => panic!("did not panic"),
        Err(payload) => *payload.downcast().unwrap(),
    }
}

fn panicking_callback(number: u32) {
    let refused = under_c(|| cede::callback(async move { panic_any(Marked(number)) }));
    assert_eq!(refused, Err::<(), _>(Refused::Panicked));
}

async fn a_call_works() {
    let answer = cede::call(|| under_c(|| cede::callback(async { empty(1) }))).await;
    assert_eq!(answer, Ok(2));
}

/// Held by the task, over the call: the panic that comes out of the call unwinds past the guard.
#[test]
fn a_lock_around_the_call_is_poisoned() {
    #[expect(clippy::await_holding_lock, reason = "that is what is tested")]
    async fn holds(mutex: &Mutex<u32>) {
        let mut number = mutex.lock().unwrap();
        *number += 1;
        cede::call(|| panicking_callback(1)).await;
    }
    workers(1).block_on(async {
        let mutex = Mutex::new(0);
        assert_eq!(marked(holds(&mutex)).await, Marked(1));
        assert!(mutex.is_poisoned());
        assert_eq!(*mutex.lock().unwrap_err().into_inner(), 1, "and is free");
        a_call_works().await;
    });
}

/// tokio's locks know no poison: they are free again.
#[test]
fn an_async_lock_around_the_call_is_free_again() {
    async fn all() {
        let mutex = Arc::new(tokio::sync::Mutex::new(0));
        let held = mutex.clone();
        let task = tokio::spawn(async move {
            let mut number = held.lock().await;
            *number += 1;
            cede::call(|| panicking_callback(2)).await;
        });
        let payload = task.await.unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref(), Some(&Marked(2)));
        assert_eq!(*mutex.try_lock().unwrap(), 1);
        a_call_works().await;
    }
    on_worker(1, all());
    on_current_thread(all());
}

/// Locked by the future that panics: free, and poisoned, before C goes on.
#[test]
fn a_lock_in_the_callback_is_poisoned_before_c_goes_on() {
    on_worker(1, async {
        let mutex = Mutex::new(0);
        let asynchronous = tokio::sync::Mutex::new(0);
        let call = cede::call(|| {
            let refused = under_c(|| {
                cede::callback(async {
                    let _asynchronous = asynchronous.lock().await;
                    later().await;
                    let _guard = mutex.lock().unwrap();
                    panic_any(Marked(3));
                })
            });
            assert_eq!(refused, Err::<(), _>(Refused::Panicked));
            assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
            assert!(asynchronous.try_lock().is_ok());
        });
        assert_eq!(marked(call).await, Marked(3));
    });
}

/// Locked by Rust under C, around the callback: C returns in order, nothing unwinds there, and nothing is poisoned.
#[test]
fn a_lock_under_c_is_given_back_unpoisoned() {
    on_worker(1, async {
        let lock = RwLock::new(0);
        let call = cede::call(|| {
            under_c(|| {
                let mut number = lock.write().unwrap();
                panicking_callback(4);
                *number += 1;
            });
        });
        assert_eq!(marked(call).await, Marked(4));
        assert_eq!(*lock.read().unwrap(), 1);
    });
}

/// In every mode a call has, under a lock and without one.
async fn a_thousand_times(may_park: bool) {
    a_call_works().await;
    let mutex = tokio::sync::Mutex::new(0);
    for number in 0..1000 {
        let call = cede::call(move || panicking_callback(number));
        let locked = async {
            *mutex.lock().await += 1;
            let _guard = mutex.lock().await;
            cede::call(|| panicking_callback(number)).await;
        };
        let payload = match number % 5 {
            0 => marked(call).await,
            1 => marked(call.on_thread_stack()).await,
            2 => marked(call.suspendable()).await,
            3 => marked(cede::scope(call)).await,
            _ => marked(locked).await,
        };
        assert_eq!(payload, Marked(number));
        if may_park {
            let parks = cede::call(|| {
                let refused = under_c(|| {
                    cede::callback(async {
                        later().await;
                        panic_any(Marked(number));
                    })
                });
                assert_eq!(refused, Err::<(), _>(Refused::Panicked));
            });
            assert_eq!(marked(parks).await, Marked(number));
        }
        a_call_works().await;
    }
    assert_eq!(*mutex.try_lock().unwrap(), 200);
}

/// One stack serves all: if each panic cost one, a thousand would show.
#[test]
fn a_thousand_panics_cost_nothing() {
    let before = cede::metrics();
    on_worker(1, a_thousand_times(true));
    on_current_thread(a_thousand_times(false));
    let after = cede::metrics();
    assert!(after.panics >= before.panics + 3000);
    assert_eq!(after.leaked_stacks, before.leaked_stacks);
    assert!(after.stacks < 100, "{} stacks", after.stacks);
}
