//! Rust under C may poll calls there and then, with an executor of its own or by hand: between the stack that C is on and
//! the task there is then another call. Nothing is mixed up.

use cede::Refused;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, on_worker, workers};
use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local, yield_now};

/// Polls a future that is ready at once.
fn polled<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready at once"),
    }
}

/// Calls that have nested leave stacks behind for the next.
fn nest(depth: u32) {
    if depth > 0 {
        polled(cede::call(|| nest(depth - 1)));
    }
}

/// A suspendable call, in whose C a plain call is polled, in whose callback the outer call would be suspended. It cannot be there,
/// where the plain call's stack would be in use under it; it can when that has ended.
async fn suspended_under_a_plain_call(mut waits: oneshot::Receiver<()>) -> u64 {
    let call = cede::call(move || {
        let sum = polled(cede::call(|| {
            let on_its_stack = black_box([1_u8; 4096]);
            let waits = &mut waits;
            let waited = cede::callback_local(async move { cede::callback_local(waits).map(drop) });
            assert_eq!(waited, Ok(Err(Refused::WouldStarve)));
            on_its_stack.iter().map(|&byte| u64::from(byte)).sum()
        }));
        assert_eq!(cede::callback_local(waits), Ok(Ok(())));
        sum
    });
    call.suspendable().await
}

#[test]
fn their_stacks_stay_theirs_whichever_ends_first() {
    let _watchdog = Watchdog::new("stacks of polled calls");
    nest(6);
    nest(6);
    LocalSet::new().block_on(&current_thread(), async {
        let (first, waits) = oneshot::channel();
        let one = spawn_local(suspended_under_a_plain_call(waits));
        yield_now().await;
        let (second, waits) = oneshot::channel();
        let two = spawn_local(suspended_under_a_plain_call(waits));
        yield_now().await;
        first.send(()).unwrap();
        assert_eq!(one.await.unwrap(), 4096);
        let over = || black_box([2_u8; 16_384])[7];
        assert_eq!(polled(cede::call(over)), 2, "on a stack of nobody's");
        second.send(()).unwrap();
        assert_eq!(two.await.unwrap(), 4096);
    });
}

#[test]
fn the_slot_is_known_to_be_in_c_or_in_rust() {
    let _watchdog = Watchdog::new("marks of polled calls");
    let runtime = workers(1);
    for _ in 0..100 {
        let task = runtime.spawn(async {
            let call = cede::call(|| {
                polled(cede::call(|| {
                    cede::callback_local(async { cede::callback_local(async { 1 }) })
                }))
            });
            assert_eq!(call.suspendable().await, Ok(Ok(1)));
            cede::call(|| ()).await;
        });
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_runtime_within_a_scope_gets_its_turns() {
    let _watchdog = Watchdog::new("a runtime in a scope");
    let calls = cede::scope(async {
        cede::call(|| ()).await;
        let inner = async {
            for n in 0..50_000_u32 {
                assert_eq!(cede::call(move || black_box(n)).await, n);
            }
        };
        let runtime = current_thread();
        runtime.block_on(runtime.spawn(inner)).unwrap();
    });
    on_worker(1, calls);
}

#[test]
fn the_budget_of_a_runtime_within_a_scope_refuses_nothing() {
    let _watchdog = Watchdog::new("budget in a scope");
    let callbacks = cede::scope(async {
        cede::call(|| ()).await;
        let inner = async {
            let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
            (0..1000).for_each(|n| send.send(n).unwrap());
            let mut received = Vec::new();
            cede::call(|| {
                received.extend((0..1000).map(|_| cede::callback(receive.recv())));
            })
            .await;
            received
        };
        let runtime = current_thread();
        runtime.block_on(runtime.spawn(inner)).unwrap()
    });
    let received = on_worker(1, callbacks);
    for (n, received) in received.into_iter().enumerate() {
        assert_eq!(received, Ok(Some(n)));
    }
}

#[test]
fn tasks_within_a_callback_take_turns() {
    let _watchdog = Watchdog::new("tasks in a callback");
    let in_callback = async {
        LocalSet::new().block_on(&current_thread(), async {
            let flag = Rc::new(Cell::new(false));
            let is_set = flag.clone();
            let calls = spawn_local(async move {
                while !is_set.get() {
                    cede::call(|| ()).await;
                }
            });
            spawn_local(async move { flag.set(true) });
            calls.await.unwrap();
        });
    };
    on_worker(1, async move {
        cede::call(|| cede::callback_local(in_callback))
            .await
            .unwrap();
    });
}
