//! A call on a thread that holds no core cedes nothing, and spoils nothing for the calls that follow it.

use cede_fixtures::Gate;
use cede_integration_tests::process::{Watchdog, best_of_three};
use cede_integration_tests::workers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::{block_in_place, yield_now};

/// Long for a retake (2 ms at most), short for anything that only a stall brings to an end.
const PROMPT: Duration = Duration::from_millis(100);

/// C waits until another task of the only worker has opened the gate: that takes a retake.
async fn call_that_is_retaken() -> Duration {
    let gate = Arc::new(Gate::new());
    let opener = gate.clone();
    tokio::spawn(async move { opener.open() });
    let began = Instant::now();
    cede::call(|| gate.wait()).await;
    began.elapsed()
}

#[test]
fn calls_after_one_without_a_core_are_retaken_promptly() {
    let _watchdog = Watchdog::new("calls after one without a core");
    best_of_three(|| {
        let runtime = workers(1);
        let task = runtime.spawn(async {
            let mut slowest = Duration::ZERO;
            for n in 0..50 {
                // Gives the core away, so that the call finds none.
                let answer = block_in_place(|| Handle::current().block_on(cede::call(|| n)));
                assert_eq!(answer, n);
                // On to a thread that is the worker: one that has been in that position before.
                yield_now().await;
                slowest = slowest.max(call_that_is_retaken().await);
            }
            slowest
        });
        let slowest = runtime.block_on(task).unwrap();
        if slowest < PROMPT {
            Ok(())
        } else {
            Err(format!("retaken after {slowest:?}"))
        }
    });
}

#[test]
fn a_call_whose_core_has_been_taken_already_lets_the_others_be() {
    let _watchdog = Watchdog::new("core taken already");
    let runtime = workers(1);
    let task = runtime.spawn(async {
        let ran = Arc::new(AtomicBool::new(false));
        let other = ran.clone();
        tokio::spawn(async move { other.store(true, Ordering::SeqCst) });
        // When this is over, another thread is the worker.
        block_in_place(|| {
            while !ran.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        });
        let gate = Arc::new(Gate::new());
        let opener = gate.clone();
        tokio::spawn(async move { opener.open() });
        cede::call(|| gate.wait()).await;
        // And from here on it is a task like any other.
        yield_now().await;
        call_that_is_retaken().await;
    });
    runtime.block_on(task).unwrap();
}

#[test]
fn the_block_on_thread_and_blocking_threads_have_nothing_to_cede() {
    let _watchdog = Watchdog::new("threads without a slot");
    let runtime = workers(1);
    runtime.block_on(async {
        call_that_is_retaken().await;
        let handle = Handle::current();
        let blocking = tokio::task::spawn_blocking(move || handle.block_on(call_that_is_retaken()));
        blocking.await.unwrap();
        tokio::spawn(call_that_is_retaken()).await.unwrap();
    });
}
