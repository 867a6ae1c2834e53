//! A stack trace may be taken wherever a call has led: it shows the code that takes it, C, and the task that called C, and
//! it ends.

use cede_fixtures::trace::return_addresses;
use cede_integration_tests::{
    child_command, child_task, later, on_current_thread, on_worker, under_c,
};
use std::backtrace::Backtrace;
use std::future::{Future, poll_fn};
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// What a trace may show at most; one that does not end would be longer.
const LONGEST: usize = 1000;

/// A frame that is known by its name.
#[inline(never)]
fn taken_under_c() -> String {
    std::hint::black_box(Backtrace::force_capture().to_string())
}

/// Does one thing more, or an optimiser would take both for one function.
#[inline(never)]
fn taken_in_a_callback() -> String {
    std::hint::black_box("another function");
    std::hint::black_box(Backtrace::force_capture().to_string())
}

/// The functions of a trace, in order, from the innermost.
fn shows(trace: &str, functions: &[&str]) {
    let mut rest = trace;
    for function in functions {
        match rest.split_once(function) {
            Some((_, outer)) => rest = outer,
            None => panic!("`{function}` is missing, or not in its place, in:\n{trace}"),
        }
    }
    assert!(trace.lines().count() < LONGEST, "{trace}");
}

/// Polls a call from a frame that has its name in any build, which an `async fn` has not.
async fn the_calling_task<F: Future>(call: F) -> F::Output {
    #[inline(never)]
    fn polled_by_the_task<F: Future>(call: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        std::hint::black_box(call.poll(cx))
    }
    let mut call = pin!(call);
    poll_fn(|cx| polled_by_the_task(call.as_mut(), cx)).await
}

async fn directly_under_c() {
    let all = ["taken_under_c", "cede_fx_call_once", "polled_by_the_task"];
    shows(
        &the_calling_task(cede::call(|| under_c(taken_under_c))).await,
        &all,
    );
    let call = cede::call(|| under_c(taken_under_c)).on_thread_stack();
    shows(&the_calling_task(call).await, &all);
    let call = cede::call(|| under_c(taken_under_c)).suspendable();
    shows(&the_calling_task(call).await, &all);
    let call = cede::scope(cede::call(|| under_c(taken_under_c)));
    shows(&the_calling_task(call).await, &all);
}

#[test]
fn right_under_c() {
    on_worker(1, directly_under_c());
    on_current_thread(directly_under_c());
}

/// The future of a callback is polled by the task: the trace shows where the task is.
async fn in_callbacks() {
    let all = ["taken_in_a_callback", "polled_by_the_task"];
    let asks = || under_c(|| cede::callback(async { taken_in_a_callback() })).unwrap();
    shows(&the_calling_task(cede::call(asks)).await, &all);
    shows(
        &the_calling_task(cede::call(asks).on_thread_stack()).await,
        &all,
    );
    shows(
        &the_calling_task(cede::call(asks).suspendable()).await,
        &all,
    );
}

#[test]
fn in_a_callback() {
    on_worker(1, in_callbacks());
    on_current_thread(in_callbacks());
}

/// A callback that has waited in between, and Rust under C after it.
#[test]
fn after_a_callback_has_waited() {
    let waits = || {
        under_c(|| {
            cede::callback(async {
                later().await;
                taken_in_a_callback()
            })
        })
        .unwrap()
    };
    on_worker(1, async move {
        shows(
            &the_calling_task(cede::call(waits)).await,
            &["taken_in_a_callback", "polled_by_the_task"],
        );
    });
    on_current_thread(async move {
        shows(
            &the_calling_task(cede::call(waits).suspendable()).await,
            &["taken_in_a_callback", "polled_by_the_task"],
        );
        let resumed = cede::call(move || {
            waits();
            under_c(taken_under_c)
        });
        shows(
            &the_calling_task(resumed.suspendable()).await,
            &["taken_under_c", "cede_fx_call_once", "polled_by_the_task"],
        );
    });
}

/// From the innermost C through the callback that called it to the outer task.
#[test]
fn in_a_call_of_a_callback() {
    on_worker(1, async {
        let call = cede::call(|| {
            let inner = the_calling_task(cede::call(|| under_c(taken_under_c)));
            under_c(|| cede::callback(inner)).unwrap()
        });
        let trace = the_calling_task(call).await;
        shows(
            &trace,
            &[
                "taken_under_c",
                "cede_fx_call_once",
                "polled_by_the_task",
                "polled_by_the_task",
            ],
        );
    });
}

fn ends(capacity: usize) {
    let mut frames = vec![0; capacity];
    if let Some(found) = return_addresses(&mut frames) {
        assert!(!found.is_empty());
        assert!(found.len() < capacity, "{} frames and more", found.len());
    }
}

/// C that traces itself: what it has to hand is `backtrace(3)`.
#[test]
fn by_c_itself() {
    async fn everywhere() {
        let traces = || {
            ends(LONGEST);
            under_c(|| cede::callback(async { ends(LONGEST) })).unwrap();
            ends(LONGEST);
        };
        cede::call(traces).await;
        cede::call(traces).on_thread_stack().await;
        cede::call(traces).suspendable().await;
        cede::call(traces).stack_size(0).await;
    }
    on_worker(1, everywhere());
    on_current_thread(everywhere());
    futures::executor::block_on(everywhere());
}

#[inline(never)]
fn panics() {
    panic!("on purpose");
}

/// The hook that Rust has installed prints a trace of each panic.
#[test]
fn by_a_panic() {
    if child_task().is_some() {
        on_worker(1, async {
            let call = cede::call(|| {
                under_c(|| {
                    assert!(catch_unwind(panics).is_err());
                    assert!(cede::callback(async { panics() }).is_err());
                });
            });
            let outcome = tokio::spawn(the_calling_task(call)).await;
            assert!(outcome.unwrap_err().is_panic());
        });
        std::process::exit(0);
    }
    let output = child_command("by_a_panic", "panic")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let traces: Vec<_> = message.split("on purpose").skip(1).collect();
    assert_eq!(traces.len(), 2, "{message}");
    shows(
        traces[0],
        &["panics", "cede_fx_call_once", "polled_by_the_task"],
    );
    shows(traces[1], &["panics", "polled_by_the_task"]);
}
