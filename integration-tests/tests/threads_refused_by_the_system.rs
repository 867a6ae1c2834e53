//! When the system refuses to start threads, calls keep their slots and are right, and those that are slow are told of.
//!
//! Each case is a process of its own: the limit is for good. It counts the threads of a user, and does not bind root,
//! so the process first becomes a user that runs nothing.

use cede_integration_tests::process::{Watchdog, eventually_idle, threads_named};
use cede_integration_tests::{Held, Warned, child, child_task, workers};
use futures::executor::block_on;
use std::sync::Arc;
use std::thread;
use tokio::runtime::Runtime;
use tokio::task::yield_now;

/// A user id that nothing runs under, as far as one can tell.
const NOBODY_ELSE: libc::uid_t = 0x6ced_0000;

/// From here on no thread can be started. `false` if that cannot be had.
fn refuse_threads() -> bool {
    let none = libc::rlimit {
        rlim_cur: 1,
        rlim_max: 1,
    };
    // SAFETY: `none` is a valid limit.
    let limited = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &none) } == 0;
    // SAFETY: takes no memory.
    if limited && unsafe { libc::geteuid() } == 0 {
        // SAFETY: takes no memory; the C library sees to all threads of the process.
        unsafe { libc::setuid(NOBODY_ELSE) };
    }
    limited && thread::Builder::new().spawn(|| ()).is_err()
}

fn exercise(runtime: &Runtime) {
    let task = runtime.spawn(async {
        for n in 0..100 {
            assert_eq!(cede::call(|| n).await, n);
            assert_eq!(cede::call(|| n).long().await, n);
            assert_eq!(cede::call(|| cede::callback(async { n })).await, Ok(n));
            cede::scope(async { assert_eq!(cede::call(|| n).await, n) }).await;
            yield_now().await;
        }
    });
    runtime.block_on(task).unwrap();
}

/// Ends the process well, from a state in which the test harness itself could not go on.
fn done() -> ! {
    println!("all calls were right");
    std::process::exit(0);
}

fn in_a_child(test: &str, body: impl FnOnce()) {
    if child_task().is_some() {
        let _watchdog = Watchdog::new("threads refused");
        body();
        done();
    }
    let outcome = child(test, "run");
    let said = String::from_utf8_lossy(&outcome.stdout);
    if said.contains("cannot be refused") {
        println!("skipped: this system does not let itself be limited");
    } else {
        assert!(said.contains("all calls were right"), "{outcome:?}");
    }
}

fn refuse_threads_or_skip() {
    if !refuse_threads() {
        println!("cannot be refused");
        std::process::exit(0);
    }
}

#[test]
fn before_the_first_call() {
    in_a_child("before_the_first_call", || {
        let runtime = workers(2);
        runtime.block_on(runtime.spawn(async {})).unwrap();
        refuse_threads_or_skip();
        exercise(&runtime);
    });
}

#[test]
fn after_some_calls() {
    in_a_child("after_some_calls", || {
        let runtime = workers(2);
        exercise(&runtime);
        refuse_threads_or_skip();
        exercise(&runtime);
    });
}

#[test]
fn for_a_runtime_that_has_made_no_call_yet() {
    in_a_child("for_a_runtime_that_has_made_no_call_yet", || {
        let (used, new) = (workers(1), workers(1));
        new.block_on(new.spawn(async {})).unwrap();
        exercise(&used);
        refuse_threads_or_skip();
        exercise(&new);
    });
}

/// The watchdog is there, and the monitor, which would wake it, is not.
#[test]
fn after_calls_elsewhere() {
    in_a_child("after_calls_elsewhere", || {
        let (warned, runtime) = (Warned::of("without a monitor"), workers(1));
        // A thread of the runtime's that may take the worker's place.
        runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        block_on(cede::call(|| ()));
        assert!(eventually_idle("cede-watchdog"));
        refuse_threads_or_skip();
        assert_eq!(threads_named("cede-").len(), 1);
        let held = Arc::new(Held::new());
        let wait = held.clone();
        let call = async move { cede::call(|| wait.wait()).named(warned.0).await };
        let call = runtime.spawn(call);
        warned.await_first("slow call");
        held.release();
        runtime.block_on(call).unwrap();
        warned.await_first("slow call has returned");
    });
}
