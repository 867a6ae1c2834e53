//! Within a call C may leave its frames by `longjmp` and run on stacks of its own making, as long as it does not pass over
//! Rust's; callbacks come from there as from anywhere.

use cede::Refused;
use cede_fixtures::{bridge, jump};
use cede_integration_tests::{later, on_current_thread, on_worker, workers};
use std::ffi::c_int;
use std::future::Future;
use std::panic::panic_any;

/// Runs a future for C, which gets its output or, refused, a negative number.
fn answers<F>(make: impl Fn(c_int) -> F + Copy) -> impl FnMut(c_int) -> c_int
where
    F: Future<Output = c_int> + Send,
{
    move |arg| cede::callback(make(arg)).unwrap_or(-7)
}

async fn ready(arg: c_int) -> c_int {
    arg + 1
}

async fn waits(arg: c_int) -> c_int {
    later().await;
    arg + cede::call(|| 1).await
}

fn jumps_out(mut f: impl FnMut(c_int) -> c_int) -> c_int {
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call; its frames are gone when C jumps.
    unsafe { jump::out(cb, ud, 41, 20) }
}

fn jumps_back(mut f: impl FnMut(c_int) -> c_int) -> c_int {
    let (cb, ud) = bridge(&mut f);
    // SAFETY: as above.
    unsafe { jump::back(cb, ud, 100) }
}

fn from_its_own_stack(mut f: impl FnMut(c_int) -> c_int) -> c_int {
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call.
    unsafe { jump::on_own_stack(cb, ud, 41) }
}

async fn by_longjmp() {
    assert_eq!(cede::call(|| jumps_out(answers(ready))).await, 42);
    assert_eq!(cede::call(|| jumps_back(answers(ready))).await, 5050);
    let call = cede::call(|| jumps_out(answers(ready)));
    assert_eq!(call.on_thread_stack().await, 42);
    for _ in 0..10 {
        let call = cede::call(|| jumps_out(answers(waits))).suspendable();
        assert_eq!(call.await, 42);
        let call = cede::call(|| jumps_back(answers(waits))).suspendable();
        assert_eq!(call.await, 5050);
    }
}

#[test]
fn by_a_jump() {
    on_worker(1, by_longjmp());
    on_worker(1, async {
        assert_eq!(cede::call(|| jumps_out(answers(waits))).await, 42);
        assert_eq!(cede::call(|| jumps_back(answers(waits))).await, 5050);
    });
    on_current_thread(by_longjmp());
}

/// The error code of a refusal may travel by a jump.
#[test]
fn by_a_jump_after_a_panic() {
    on_worker(1, async {
        let mut code = 0;
        let call = cede::call(|| code = jumps_out(answers(|_| async { panic_any(3_u8) })));
        let call = std::panic::AssertUnwindSafe(call);
        let payload = futures::FutureExt::catch_unwind(call).await.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&3_u8));
        assert_eq!(code, -7);
        assert_eq!(cede::call(|| jumps_out(answers(ready))).await, 42);
    });
}

/// Two calls that are suspended at once, each to jump when it goes on.
#[test]
fn by_a_jump_beside_each_other() {
    on_current_thread(async {
        let call = || cede::call(|| jumps_back(answers(waits))).suspendable();
        assert_eq!(tokio::join!(call(), call(), call()), (5050, 5050, 5050));
    });
}

async fn on_own_stacks() {
    for _ in 0..10 {
        assert_eq!(cede::call(|| from_its_own_stack(answers(ready))).await, 42);
        let call = cede::call(|| from_its_own_stack(answers(ready)));
        assert_eq!(call.on_thread_stack().await, 42);
        let nested = || {
            from_its_own_stack(answers(|arg| async move {
                let inner = cede::call(|| from_its_own_stack(answers(ready)));
                inner.await - 41 + arg
            }))
        };
        assert_eq!(cede::call(nested).await, 42);
    }
}

#[test]
fn to_a_stack_of_its_own() {
    on_worker(1, on_own_stacks());
    workers(1).block_on(on_own_stacks());
    on_current_thread(on_own_stacks());
}

#[test]
fn to_a_stack_of_its_own_from_which_a_callback_parks() {
    on_worker(1, async {
        let calls = (0..3).map(|_| {
            tokio::spawn(async {
                for _ in 0..10 {
                    let call = cede::call(|| from_its_own_stack(answers(waits)));
                    assert_eq!(call.await, 42);
                }
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    });
}

#[test]
fn to_a_stack_of_its_own_from_which_a_call_is_suspended() {
    on_current_thread(async {
        let call = || cede::call(|| from_its_own_stack(answers(waits))).suspendable();
        for _ in 0..10 {
            assert_eq!(call().await, 42);
            assert_eq!(tokio::join!(call(), call(), call()), (42, 42, 42));
        }
        let cancelled = tokio::spawn(async {
            cede::call(|| {
                let why = std::cell::Cell::new(None);
                let f = |_: c_int| {
                    why.set(cede::callback(std::future::pending::<()>()).err());
                    5
                };
                assert_eq!(from_its_own_stack(f), 5);
                assert_eq!(why.get(), Some(Refused::Cancelled));
            })
            .suspendable()
            .await;
        });
        later().await;
        cancelled.abort();
        assert!(cancelled.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn to_a_stack_of_its_own_where_a_callback_panics() {
    on_worker(1, async {
        for _ in 0..10 {
            let call = cede::call(|| {
                from_its_own_stack(answers(|_| async { panic_any(3_u8) }));
            });
            let call = std::panic::AssertUnwindSafe(call);
            let payload = futures::FutureExt::catch_unwind(call).await.unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&3_u8));
        }
        on_own_stacks().await;
    });
}
