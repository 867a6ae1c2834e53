//! Callbacks work in every mode of a call, and as many as C likes.

use cede::Refused;
use cede_fixtures::{Gate, bridge, callback};
use cede_integration_tests::{on_current_thread, on_worker, under_c, workers};
use std::ffi::{c_int, c_long};
use std::rc::Rc;
use tokio::sync::oneshot;

/// C that calls back a hundred times: every third callback waits for another task's turn.
fn sum() -> c_long {
    let mut f = |n: c_int| {
        cede::callback(async move {
            if n % 3 == 0 {
                tokio::task::yield_now().await;
            }
            n
        })
        .unwrap()
    };
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call.
    unsafe { callback::call_n(cb, ud, 100) }
}

async fn all_modes() {
    assert_eq!(cede::call(sum).await, 4950);
    assert_eq!(cede::call(sum).long().await, 4950);
    assert_eq!(cede::call(sum).brief().await, 4950);
    assert_eq!(cede::call(sum).on_thread_stack().await, 4950);
    assert_eq!(cede::call(sum).on_thread_stack().brief().await, 4950);
    assert_eq!(cede::call(sum).on_thread_stack().long().await, 4950);
    assert_eq!(cede::call(sum).suspendable().await, 4950);
    assert_eq!(cede::scope(cede::call(sum)).await, 4950);
}

#[test]
fn on_a_worker() {
    on_worker(1, all_modes());
    on_worker(2, all_modes());
    on_worker(1, cede::scope(all_modes()));
}

#[test]
fn on_the_block_on_thread() {
    workers(1).block_on(all_modes());
}

#[test]
fn suspended() {
    assert_eq!(on_current_thread(cede::call(sum).suspendable()), 4950);
}

/// The answer comes from a task that only this worker could run: to wait for it gives the slot away, in every mode.
#[test]
fn a_callback_that_waits_lets_the_only_worker_go_on() {
    fn asks_a_neighbour() -> Result<u32, Refused> {
        under_c(|| {
            cede::callback(async {
                let (tell, told) = oneshot::channel();
                tokio::spawn(async { tell.send(8).unwrap() });
                told.await.unwrap()
            })
        })
    }
    on_worker(1, async {
        assert_eq!(cede::call(asks_a_neighbour).await, Ok(8));
        assert_eq!(cede::call(asks_a_neighbour).long().await, Ok(8));
        assert_eq!(cede::call(asks_a_neighbour).brief().await, Ok(8));
        assert_eq!(cede::call(asks_a_neighbour).on_thread_stack().await, Ok(8));
        assert_eq!(
            cede::call(asks_a_neighbour).on_thread_stack().brief().await,
            Ok(8)
        );
        assert_eq!(cede::scope(cede::call(asks_a_neighbour)).await, Ok(8));
    });
}

/// Between two waits of a brief call C goes on; the second wait finds the slot gone already.
#[test]
fn a_brief_call_may_wait_again() {
    on_worker(1, async {
        for _ in 0..100 {
            assert_eq!(cede::call(sum).brief().await, 4950);
        }
    });
}

#[test]
fn a_callback_of_futures_that_are_not_send() {
    let local = || {
        under_c(|| {
            cede::callback_local(async {
                let rc = Rc::new(4);
                tokio::task::yield_now().await;
                rc
            })
        })
        .map(|rc| *rc)
    };
    assert_eq!(on_worker(1, cede::call(local)), Ok(4));
    assert_eq!(on_current_thread(cede::call(local).suspendable()), Ok(4));
}

/// Nobody waits while C has its gate shut, and the callback opens it for another call of the same runtime.
#[test]
fn a_callback_may_release_another_call() {
    let gate = std::sync::Arc::new(Gate::new());
    on_worker(1, async move {
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { cede::call(|| gate.wait()).await }
        });
        let opened = cede::call(|| under_c(|| cede::callback(async { gate.open() }))).await;
        assert_eq!(opened, Ok(()));
        waiting.await.unwrap();
    });
}
