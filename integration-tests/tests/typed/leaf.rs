//! A leaf runs right where C calls it: on C's stack and thread, with or without a call.

use super::once;
use cede::Callback;
use cede_fixtures::thread;
use cede_integration_tests::on_worker;
use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

#[test]
fn on_the_c_stack() {
    on_worker(1, async {
        let mut address = 0;
        let leaf = Callback::leaf(-1, |n: c_int| {
            address = (&raw const n).addr();
            n + 1
        });
        let mut c_stack = 0;
        let call = cede::call(|| {
            c_stack = cede_fixtures::deep::local_address();
            once(leaf.data_first(), leaf.data(), 1)
        });
        assert_eq!(call.await, 2);
        let task_stack = cede_fixtures::deep::local_address();
        assert!(address.abs_diff(c_stack) < 1 << 16, "near C's frames");
        assert!(
            address.abs_diff(task_stack) > 1 << 16,
            "far from the task's"
        );
    });
}

/// It is code under C, which may call back in turn.
#[test]
fn may_run_a_callback_of_its_own() {
    on_worker(1, async {
        let leaf = Callback::leaf(-1, |n: c_int| {
            let awaited = cede::callback(async move {
                tokio::task::yield_now().await;
                n + 1
            });
            awaited.unwrap_or(-2)
        });
        assert_eq!(
            cede::call(|| once(leaf.data_first(), leaf.data(), 1)).await,
            2
        );
    });
}

#[test]
fn a_shared_leaf_on_many_threads_at_once() {
    const THREADS: c_int = 4;
    let sum = AtomicI32::new(0);
    let all_there = std::sync::Barrier::new(THREADS as usize);
    let leaf = Callback::shared_leaf(-1, |n: c_int| {
        all_there.wait();
        sum.fetch_add(n, SeqCst);
        n
    });
    std::thread::scope(|scope| {
        for n in 0..THREADS {
            let leaf = &leaf;
            scope.spawn(move || assert_eq!(once(leaf.data_first(), leaf.data(), n), n));
        }
    });
    assert_eq!(sum.load(SeqCst), 6);
}

#[test]
fn on_the_thread_of_the_call() {
    on_worker(2, async {
        let leaf = Callback::leaf(-1, |_: c_int| {
            assert_eq!(std::thread::current().name(), Some("tokio-rt-worker"));
            0
        });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { thread::around(leaf.data_first(), leaf.data(), 0) });
        let around = call.await;
        assert_eq!((around.before, around.result), (around.after, 0));
    });
}
