//! C's `atexit` handlers may make calls and get callbacks, wherever `exit` was called: on the main thread, in C, in a
//! callback; and what is in C at that time does not hold the process up.
//!
//! Each test ends in a process of its own.

use cede_fixtures::plain::empty;
use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{
    PATIENCE, block_on, child, child_task, current_thread, later, on_current_thread, on_worker,
    under_c, workers,
};
use std::future::Future;
use std::process::{Output, exit};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;

/// How the process ends if all is well.
const WELL: i32 = 55;

/// Said by the handler when it is through. By `write`, for what Rust keeps for its own output may be gone by then.
fn say_that_all_is_well() {
    let said = "answered at the end\n";
    // SAFETY: the range is a string.
    let written = unsafe { libc::write(libc::STDOUT_FILENO, said.as_ptr().cast(), said.len()) };
    assert_eq!(usize::try_from(written), Ok(said.len()));
}

fn ends_well(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(WELL), "{said}{message}");
    assert!(said.contains("answered at the end"), "{said}{message}");
}

/// Does what it is to do at the end; a panic there would be the end of it, and no `say_that_all_is_well`.
extern "C" fn calls_back() {
    let answer = block_on(cede::call(|| {
        under_c(|| cede::callback(async { empty(1) }))
    }));
    assert_eq!(answer, Ok(2));
    let answer = block_on(cede::scope(cede::call(|| {
        under_c(|| cede::callback(cede::call(|| empty(2))))
    })));
    assert_eq!(answer, Ok(3));
    say_that_all_is_well();
}

static RUNTIME: OnceLock<Handle> = OnceLock::new();

/// The callback waits for a task of a runtime that is still there: nobody has told its workers.
extern "C" fn calls_back_and_waits() {
    let runtime = RUNTIME.get().unwrap();
    let slept = runtime.spawn(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        cede::call(|| empty(3)).await
    });
    let answer = block_on(cede::call(|| {
        under_c(|| cede::callback(async { slept.await.unwrap() }))
    }));
    assert_eq!(answer, Ok(4));
    say_that_all_is_well();
}

fn at_exit(handler: extern "C" fn()) {
    // SAFETY: registers a function that may run at any time before the end.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
}

/// The child's part is `ends`, which does not return.
fn in_a_child(test: &str, ends: impl FnOnce()) {
    if child_task().is_some() {
        let _watchdog = Watchdog::new("the end of the process");
        ends();
        unreachable!("the process has ended");
    }
    ends_well(&child(test, "exit"));
}

#[test]
fn after_everything() {
    in_a_child("after_everything", || {
        on_worker(1, cede::call(|| empty(1)));
        at_exit(calls_back);
        exit(WELL);
    });
}

#[test]
fn before_the_first_call() {
    in_a_child("before_the_first_call", || {
        at_exit(calls_back);
        exit(WELL);
    });
}

/// C ends the process: the handlers run on the C stack, under the call.
#[test]
fn by_c() {
    in_a_child("by_c", || {
        at_exit(calls_back);
        on_worker(1, cede::call(|| under_c(|| exit(WELL))));
    });
}

#[test]
fn by_c_on_a_current_thread_runtime() {
    in_a_child("by_c_on_a_current_thread_runtime", || {
        at_exit(calls_back);
        on_current_thread(cede::call(|| under_c(|| exit(WELL))).suspendable());
    });
}

#[test]
fn by_a_callback() {
    in_a_child("by_a_callback", || {
        at_exit(calls_back);
        let ends = async {
            later().await;
            exit(WELL)
        };
        let _never = on_worker(1, cede::call(|| under_c(|| cede::callback(ends))));
    });
}

/// With tasks in C, parked in callbacks and suspended, and a runtime on whose timer the handler waits.
fn amid_calls(ends: impl Future<Output = ()> + Send + 'static) {
    static GATE: OnceLock<(Gate, Crowd)> = OnceLock::new();
    let (gate, crowd) = GATE.get_or_init(Default::default);
    let runtime = workers(2);
    RUNTIME.set(runtime.handle().clone()).unwrap();
    for _ in 0..4 {
        runtime.spawn(async { cede::call(|| crowd.wait_at(gate)).await });
        runtime.spawn(async {
            cede::call(|| under_c(|| cede::callback(std::future::pending::<()>()))).await
        });
    }
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        current_thread().block_on(async {
            let call = cede::call(move || {
                under_c(|| {
                    cede::callback(async {
                        tell.send(()).unwrap();
                        std::future::pending::<()>().await;
                    })
                })
            });
            call.suspendable().await
        })
    });
    assert!(crowd.await_inside(4, PATIENCE));
    told.recv().unwrap();
    at_exit(calls_back_and_waits);
    let runtime = Arc::new(runtime);
    runtime.block_on(async { runtime.spawn(ends).await.unwrap() });
}

#[test]
fn amid_calls_that_go_on() {
    in_a_child("amid_calls_that_go_on", || {
        amid_calls(async { exit(WELL) });
    });
}

#[test]
fn amid_calls_by_c() {
    in_a_child("amid_calls_by_c", || {
        amid_calls(async { cede::call(|| under_c(|| exit(WELL))).await });
    });
}
