//! What a subscriber does, or does not want, is nothing to C.

use super::record::Lines;
use super::{foreign_once, numbers, once};
use cede::CLog;
use cede_fixtures::callback::call_n;
use cede_integration_tests::on_worker;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Event, Level, Subscriber, dispatcher};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Does something with each event.
struct Does<F>(F);

impl<S: Subscriber, F: Fn(&Event<'_>) + 'static> Layer<S> for Does<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        (self.0)(event);
    }
}

fn subscriber(f: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Dispatch {
    Dispatch::new(Registry::default().with(Does(f)))
}

#[test]
fn that_panics_is_not_heard_of_and_the_next_line_comes() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let panics = subscriber(|event| {
        if event.metadata().target().starts_with("cede::c::") {
            SEEN.fetch_add(1, SeqCst);
            panic!("on purpose");
        }
    });
    let log = dispatcher::with_default(&panics, || numbers(CLog::new("test")));
    let (function, data) = (log.data_first(), cede::SendPtr::from(log.data()));
    let call = async move {
        // SAFETY: the log is there until the test ends.
        let sum = cede::call(|| unsafe { call_n(function, data.get(), 10) }).await;
        assert_eq!(sum, 45, "C has heard nothing");
    };
    on_worker(1, call.with_subscriber(panics));
    assert_eq!(SEEN.swap(0, SeqCst), 10);
    foreign_once(log.data_first(), log.data());
    assert_eq!(SEEN.load(SeqCst), 1);
}

/// Also while the thread unwinds, when C that is called by a destructor logs.
#[test]
fn that_panics_while_the_thread_does_ends_nothing() {
    struct Logs(CLog);
    impl Drop for Logs {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            let log = numbers(self.0.clone());
            once(log.data_first(), log.data(), 1);
        }
    }
    let panics = subscriber(|_| panic!("on purpose"));
    let outcome = dispatcher::with_default(&panics, || {
        std::panic::catch_unwind(|| {
            let _logs = Logs(CLog::new("test"));
            panic!("the first one");
        })
    });
    let payload = outcome.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the first one"));
}

/// Its C logs while it takes in a line, which would go on for ever.
#[test]
fn that_logs_itself_is_not_fed_by_that() {
    static LOG: OnceLock<CLog> = OnceLock::new();
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let logs = subscriber(|_| {
        assert!(SEEN.fetch_add(1, SeqCst) < 10, "fed by itself");
        let log = numbers(LOG.get().unwrap().clone());
        once(log.data_first(), log.data(), 2);
    });
    let log = dispatcher::with_default(&logs, || LOG.get_or_init(|| CLog::new("test")));
    dispatcher::with_default(&logs, || log.at(Level::INFO).text("one"));
    assert_eq!(SEEN.load(SeqCst), 1);
    // With that of the log.
    log.at(Level::INFO).text("two");
    assert_eq!(SEEN.load(SeqCst), 2);
}

/// Each library has a target of its own.
#[test]
fn that_wants_one_library_more_than_another_gets_it() {
    let (lines, _) = Lines::recorded();
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("cede::c::chatty", LevelFilter::DEBUG);
    let subscriber = Dispatch::new(Registry::default().with(lines.clone()).with(filter));
    let (chatty, other) = (CLog::new("chatty"), CLog::new("other"));
    dispatcher::with_default(&subscriber, || {
        for (log, level) in [
            (&chatty, Level::DEBUG),
            (&chatty, Level::TRACE),
            (&other, Level::WARN),
            (&other, Level::INFO),
        ] {
            log.at(level).text("a line");
        }
    });
    let told = lines
        .take()
        .into_iter()
        .map(|line| (line.target, line.level));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("cede::c::chatty".into(), Level::DEBUG),
            ("cede::c::other".into(), Level::WARN)
        ]
    );
}

#[test]
fn a_closure_that_panics_gives_the_fallback() {
    let log = CLog::new("test").callback(-7, |_: &CLog, _: c_int| -> c_int {
        panic!("on purpose");
    });
    let (function, data): (super::Function, *mut c_void) = (log.data_first(), log.data());
    // SAFETY: the log is there.
    let answer = unsafe { cede_fixtures::callback::call_once(function, data, 1) };
    assert_eq!(answer, -7);
}
