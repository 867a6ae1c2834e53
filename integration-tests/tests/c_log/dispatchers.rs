//! A span goes with its own subscriber.

use super::record::Lines;
use super::{foreign_once, numbers, once};
use cede::CLog;
use tracing::{dispatcher, info_span};

/// The lines of a call and of a foreign thread, in this order: those that the log's subscriber has, and those that the
/// thread's has.
fn told(log_in_span: bool, call_in_span: bool) -> [Vec<(String, Vec<&'static str>)>; 2] {
    let (of_log, logs) = Lines::recorded();
    let (of_thread, threads) = Lines::recorded();
    let log = dispatcher::with_default(&logs, || {
        let _span = log_in_span.then(|| info_span!("made").entered());
        numbers(CLog::new("test"))
    });
    dispatcher::with_default(&threads, || {
        let _span = call_in_span.then(|| info_span!("calling").entered());
        once(log.data_first(), log.data(), 1);
    });
    foreign_once(log.data_first(), log.data());
    [of_log.take_spans(), of_thread.take_spans()]
}

fn line(n: i32, spans: &[&'static str]) -> (String, Vec<&'static str>) {
    (format!("line {n}"), spans.to_vec())
}

#[test]
fn of_the_thread_if_it_has_a_span_else_of_the_log() {
    let [of_log, of_thread] = told(true, true);
    assert_eq!(of_thread, [line(1, &["calling"])]);
    assert_eq!(of_log, [line(0, &["made"])]);

    let [of_log, of_thread] = told(true, false);
    assert_eq!(of_thread, []);
    assert_eq!(of_log, [line(1, &["made"]), line(0, &["made"])]);
}

#[test]
fn without_any_span_of_the_thread_if_it_has_one_else_of_the_log() {
    let [of_log, of_thread] = told(false, true);
    assert_eq!(of_thread, [line(1, &["calling"])]);
    assert_eq!(of_log, [line(0, &[])]);

    let [of_log, of_thread] = told(false, false);
    assert_eq!(of_thread, [line(1, &[])]);
    assert_eq!(of_log, [line(0, &[])]);
}

#[test]
fn a_log_that_was_made_before_any_does_not_hide_the_threads() {
    let log = numbers(CLog::new("test"));
    once(log.data_first(), log.data(), 1);
    let (lines, subscriber) = Lines::recorded();
    dispatcher::with_default(&subscriber, || once(log.data_first(), log.data(), 2));
    foreign_once(log.data_first(), log.data());
    assert_eq!(lines.take_spans(), [line(2, &[])]);
}
