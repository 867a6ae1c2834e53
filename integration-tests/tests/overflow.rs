//! C that runs off its stack: a message that names the call and the remedy, then death by the same signal. Each test dies
//! in a process of its own.

use cede::{Config, Guards};
use cede_fixtures::deep::recurse_forever;
use cede_integration_tests::{child, child_task, on_current_thread, on_worker, under_c};
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

fn overflows() {
    // SAFETY: a C stack ends in a guard page, which is what is tested.
    unsafe { recurse_forever() };
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the task in a child, which must die with the message.
fn dies_with_the_message(test: &str, names: &[&str]) {
    let output = child(test, "overflow");
    let message = message(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{message}");
    for name in [
        "cede: ",
        "overflow",
        ".stack_size",
        ".on_thread_stack",
        "overflow.rs:",
    ]
    .iter()
    .chain(names)
    {
        assert!(message.contains(name), "{name} is missing from: {message}");
    }
    assert_eq!(message.matches("cede: ").count(), 1, "said once: {message}");
}

#[test]
fn on_a_worker() {
    if child_task().is_some() {
        on_worker(1, cede::call(overflows).named("sinks_deep"));
    }
    dies_with_the_message("on_a_worker", &["sinks_deep"]);
}

#[test]
fn outside_of_a_runtime() {
    if child_task().is_some() {
        futures::executor::block_on(cede::call(overflows).named("sinks_deep"));
    }
    dies_with_the_message("outside_of_a_runtime", &["sinks_deep"]);
}

#[test]
fn without_a_name() {
    if child_task().is_some() {
        on_worker(1, cede::call(overflows));
    }
    dies_with_the_message("without_a_name", &[]);
}

#[test]
fn guarded_by_mprotect() {
    if child_task().is_some() {
        Config::new().guards(Guards::Mprotect).install().unwrap();
        on_worker(1, cede::call(overflows).named("sinks_deep"));
    }
    dies_with_the_message("guarded_by_mprotect", &["sinks_deep"]);
}

#[test]
fn on_the_smallest_stack() {
    if child_task().is_some() {
        on_worker(1, cede::call(overflows).named("sinks_deep").stack_size(0));
    }
    dies_with_the_message("on_the_smallest_stack", &["sinks_deep"]);
}

#[test]
fn on_a_stack_of_its_own_size() {
    if child_task().is_some() {
        on_worker(
            1,
            cede::call(overflows)
                .named("sinks_deep")
                .stack_size(20 << 20),
        );
    }
    dies_with_the_message("on_a_stack_of_its_own_size", &["sinks_deep"]);
}

/// Of several calls on the thread it is the innermost one that is named.
#[test]
fn under_a_callback() {
    if child_task().is_some() {
        let inner = || cede::call(overflows).named("sinks_deep");
        on_worker(1, async move {
            cede::call(|| under_c(|| cede::callback(inner())))
                .named("keeps_afloat")
                .await
                .unwrap();
        });
    }
    dies_with_the_message("under_a_callback", &["sinks_deep"]);
    assert!(!message(&child("under_a_callback", "overflow")).contains("keeps_afloat"));
}

/// The call goes on after a callback, and is still the one that is named; others on the thread are suspended.
#[test]
fn after_a_callback() {
    if child_task().is_some() {
        on_current_thread(async {
            let waits = |name| {
                cede::call(|| under_c(|| cede::callback(std::future::pending::<()>()))).named(name)
            };
            let other = tokio::spawn(waits("is_suspended").suspendable());
            let sinks = cede::call(|| {
                under_c(|| cede::callback(tokio::task::yield_now())).unwrap();
                overflows();
            });
            sinks.named("sinks_deep").suspendable().await;
            other.abort();
        });
    }
    dies_with_the_message("after_a_callback", &["sinks_deep"]);
}

/// A thread that Rust has not started has no stack for signals of its own.
#[test]
fn on_a_foreign_thread() {
    if child_task().is_some() {
        on_a_thread_of_c(|| futures::executor::block_on(cede::call(overflows).named("sinks_deep")));
    }
    dies_with_the_message("on_a_foreign_thread", &["sinks_deep"]);
}

#[test]
fn on_a_foreign_thread_and_a_stack_of_its_own_size() {
    if child_task().is_some() {
        on_a_thread_of_c(|| {
            futures::executor::block_on(
                cede::call(overflows)
                    .named("sinks_deep")
                    .stack_size(20 << 20),
            );
        });
    }
    dies_with_the_message(
        "on_a_foreign_thread_and_a_stack_of_its_own_size",
        &["sinks_deep"],
    );
}

fn on_a_thread_of_c(f: fn()) {
    extern "C" fn run(f: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: what `pthread_create` was given below.
        let f: fn() = unsafe { std::mem::transmute(f) };
        f();
        std::ptr::null_mut()
    }
    let mut thread = 0;
    let argument = f as *mut libc::c_void;
    // SAFETY: `run` takes a function pointer as its argument, and gets one.
    let started = unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), run, argument) };
    assert_eq!(started, 0);
    // SAFETY: started above, and joined once.
    unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
}

/// On the thread's own stack the guard is the thread's, and the message Rust's.
#[test]
fn of_the_threads_own_stack_is_not_ours_to_report() {
    const TEST: &str = "of_the_threads_own_stack_is_not_ours_to_report";
    if child_task().is_some() {
        on_worker(1, async {
            cede::call(|| ()).await;
            cede::call(overflows).on_thread_stack().await;
        });
    }
    let output = child(TEST, "overflow");
    let message = message(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{message}");
    assert!(message.contains("has overflowed its stack"), "{message}");
    assert!(!message.contains("cede: "), "{message}");
}

/// On a thread of C's making, which has no alternate signal stack of its own and has acquired no C stack.
#[test]
fn where_a_suspended_call_goes_on() {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Waker};
    type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn poll(call: &mut Boxed) {
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    extern "C" fn go_on(call: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: the thread that made this one lends it the call, and waits.
        poll(unsafe { &mut *call.cast::<Boxed>() });
        call
    }
    if child_task().is_some() {
        let call = cede::call(|| {
            let mut polls = 0;
            let once = std::future::poll_fn(|_| {
                polls += 1;
                if polls > 1 {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            });
            under_c(|| cede::callback(once)).unwrap();
            overflows();
        });
        // SAFETY: the fixtures' C holds nothing of its thread's, and the closure owns what it uses.
        let call = unsafe { call.named("sinks_elsewhere").migratable() };
        let mut call: Boxed = Box::pin(call);
        poll(&mut call);
        let mut thread = 0;
        // SAFETY: the thread is joined, and uses nothing but the call.
        let code = unsafe {
            libc::pthread_create(&mut thread, std::ptr::null(), go_on, (&raw mut call).cast())
        };
        assert_eq!(code, 0);
        // SAFETY: made above, and joined once.
        unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    }
    dies_with_the_message("where_a_suspended_call_goes_on", &["sinks_elsewhere"]);
}
