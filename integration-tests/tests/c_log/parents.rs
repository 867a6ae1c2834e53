//! A line is in the span that C was called in, however C runs; on a thread without a span, in that of the log.

use super::record::Lines;
use super::{foreign_once, numbers, once};
use cede::{CLog, SendPtr};
use cede_fixtures::foreign;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{block_on, later, on_current_thread, on_worker, polled};
use std::ffi::c_void;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, dispatcher, info_span};

/// What C gets to log a line: of a log that was made in the span `made`.
#[derive(Clone, Copy)]
struct Log {
    function: super::Function,
    data: SendPtr<c_void>,
}

impl Log {
    fn line(self, n: i32) {
        once(self.function, self.data.get(), n);
    }
}

/// Runs `test` with a log, in the span `task`, and returns the lines with their spans.
fn traced<F>(
    run: impl FnOnce(tracing::instrument::WithDispatch<tracing::instrument::Instrumented<F>>),
    test: impl FnOnce(Log) -> F,
) -> Vec<(String, Vec<&'static str>)>
where
    F: Future<Output = ()>,
{
    let (lines, subscriber) = Lines::recorded();
    let (log, task) = dispatcher::with_default(&subscriber, || {
        let log = info_span!("made").in_scope(|| numbers(CLog::new("test")));
        (log, info_span!("task"))
    });
    let callback = Log {
        function: log.data_first(),
        data: log.data().into(),
    };
    run(test(callback).instrument(task).with_subscriber(subscriber));
    lines.take_spans()
}

fn line(n: i32, span: &'static str) -> (String, Vec<&'static str>) {
    (format!("line {n}"), vec![span])
}

#[test]
fn of_a_call_in_place_and_of_its_callbacks() {
    let lines = traced(
        |test| on_worker(2, test),
        |log| async move {
            cede::call(|| {
                log.line(1);
                cede::callback(async { later().await }).unwrap();
                log.line(2);
                let nested = async { cede::call(|| log.line(3)).await };
                cede::callback(nested).unwrap();
            })
            .await;
            cede::call(|| log.line(4)).on_thread_stack().await;
            cede::call(|| log.line(5)).brief().await;
            cede::call(|| log.line(6)).long().await;
            cede::scope(async { cede::call(|| log.line(7)).await }).await;
        },
    );
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7].map(|n| line(n, "task")));
}

#[test]
fn of_calls_that_are_suspended_in_turns() {
    let _watchdog = Watchdog::new("suspended");
    let lines = traced(on_current_thread, |log| async move {
        let call = || {
            cede::call(move || {
                log.line(1);
                cede::callback(later()).unwrap();
                log.line(2);
            })
            .suspendable()
        };
        let mut one = pin!(call().instrument(info_span!("one")));
        let mut two = pin!(call().instrument(info_span!("two")));
        assert!(polled(one.as_mut()).await.is_pending());
        assert!(polled(two.as_mut()).await.is_pending());
        one.await;
        two.await;
    });
    let line = |n, span| (format!("line {n}"), vec![span, "task"]);
    assert_eq!(
        lines,
        [
            line(1, "one"),
            line(1, "two"),
            line(2, "one"),
            line(2, "two")
        ]
    );
}

#[test]
fn of_calls_that_change_threads() {
    let _watchdog = Watchdog::new("migratable");
    let lines = traced(
        |test| on_worker(2, test),
        |log| async move {
            let call = cede::call(move || {
                for n in 0..20 {
                    log.line(n);
                    cede::callback(later()).unwrap();
                }
            });
            // SAFETY: what C does here is bound to no thread.
            unsafe { call.migratable() }.await;
        },
    );
    assert_eq!(lines, (0..20).map(|n| line(n, "task")).collect::<Vec<_>>());
}

#[test]
fn of_offloaded_calls() {
    let _watchdog = Watchdog::new("offloaded");
    let lines = traced(block_on, |log| async move {
        cede::offload(move || {
            log.line(1);
            cede::callback(async { cede::call(|| log.line(2)).await }).unwrap();
            log.line(3);
        })
        .await;
        let lane = cede::Lane::new("c_log").unwrap();
        cede::offload(move || log.line(4)).on_lane(&lane).await;
    });
    assert_eq!(lines, [1, 2, 3, 4].map(|n| line(n, "task")));
}

/// While the call waits for that thread.
#[test]
fn of_the_log_on_a_thread_of_cs_own() {
    let lines = traced(
        |test| on_worker(1, test),
        |log| async move {
            cede::call(|| foreign_once(log.function, log.data.get())).await;
        },
    );
    assert_eq!(lines, [line(0, "made")]);
}

/// Its thread-locals are gone by the third time.
#[test]
fn of_the_log_on_a_thread_that_ends() {
    let lines = traced(block_on, |log| async move {
        // SAFETY: the log is there, and for any thread.
        let last = unsafe { foreign::at_exit(log.function, log.data.get(), 5) };
        assert_eq!(last, 5);
    });
    assert_eq!(lines, [5, 5, 5].map(|n| line(n, "made")));
}

/// C says more about it then than at any other time.
#[test]
fn of_a_call_with_a_callback_that_has_panicked() {
    let lines = traced(block_on, |log| async move {
        let call = cede::call(|| {
            log.line(1);
            assert!(cede::callback(async { panic!("on purpose") }).is_err());
            log.line(2);
        });
        let outcome = futures::FutureExt::catch_unwind(AssertUnwindSafe(call)).await;
        assert!(outcome.is_err(), "raised");
    });
    assert_eq!(lines, [1, 2].map(|n| line(n, "task")));
}
