//! However a call was made, its task goes on only with a slot: also if it was a call under its callback that lost the slot.

use cede_fixtures::Gate;
use cede_integration_tests::{PATIENCE, on_worker, under_c};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// Whether this thread is a worker that holds its slot: tokio keeps a yielding task's waker for later exactly then.
fn has_slot() -> bool {
    #[derive(Default)]
    struct Woken(AtomicBool);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    assert!(
        pin!(tokio::task::yield_now())
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    !woken.0.load(Ordering::SeqCst)
}

/// A call that returns only when another task of the single worker has run: so its slot is gone.
async fn loses_the_slot() -> bool {
    let gate = Arc::new(Gate::new());
    let opener = gate.clone();
    tokio::spawn(async move { opener.open() });
    cede::call(move || gate.wait_for(PATIENCE)).await
}

fn under_a_callback() -> bool {
    under_c(|| cede::callback(loses_the_slot())).unwrap()
}

fn under_the_second_callback() -> bool {
    under_c(|| cede::callback(tokio::task::yield_now())).unwrap();
    under_a_callback()
}

fn under_a_scope() -> bool {
    under_c(|| cede::callback(cede::scope(loses_the_slot()))).unwrap()
}

#[test]
fn the_task_has_a_slot_again() {
    for lost in [under_a_callback, under_the_second_callback, under_a_scope] {
        on_worker(1, async move {
            assert!(has_slot());
            for _ in 0..10 {
                assert!(cede::call(lost).await);
                assert!(has_slot(), "plain");
                assert!(cede::call(lost).long().await);
                assert!(has_slot(), "long");
                assert!(cede::call(lost).brief().await);
                assert!(has_slot(), "brief");
                assert!(cede::call(lost).on_thread_stack().await);
                assert!(has_slot(), "on the thread's stack");
                assert!(cede::call(lost).on_thread_stack().brief().await);
                assert!(has_slot(), "on the thread's stack, brief");
                assert!(cede::call(lost).suspendable().await);
                assert!(has_slot(), "suspendable");
                assert!(cede::scope(cede::call(lost)).await);
                assert!(has_slot(), "in a scope");
                assert!(cede::scope(cede::call(lost).brief()).await);
                assert!(has_slot(), "brief, in a scope");
            }
        });
    }
}
