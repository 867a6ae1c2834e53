//! A call's span, and that of its task, end when they end: not when the watchdog looks for the next time.

use cede_integration_tests::process::{Watchdog, eventually, eventually_idle};
use cede_integration_tests::{Held, Traced, is_alone};
use futures::executor::block_on;
use std::thread;
use std::time::Duration;
use tracing::{Instrument, info_span};
use tracing_subscriber::filter::LevelFilter;

/// Nothing becomes slow in it, and the watchdog looks next when the test is over.
const LONG: Duration = Duration::from_secs(3600);

/// With a call that the watchdog knows all of.
fn ends(test: &str, level: LevelFilter) {
    if !is_alone(test) {
        return;
    }
    let _watchdog = Watchdog::new("spans that end");
    let traced = Traced::default();
    tracing::subscriber::set_global_default(traced.subscriber(level)).unwrap();
    let config = cede::Config::new()
        .slow_after(LONG)
        .brief_limit(Duration::MAX);
    config.install().unwrap();
    let (patient, hasty) = (&Held::new(), &Held::new());
    thread::scope(|scope| {
        let call = scope.spawn(|| {
            let call = async { cede::call(|| patient.wait()).slow_after(LONG).await };
            block_on(call.instrument(info_span!("request")));
        });
        assert!(eventually(|| patient.thread() != 0));
        // While this one is there the watchdog looks every now and then.
        let other = scope.spawn(|| {
            block_on(cede::call(|| hasty.wait()).slow_after(Duration::from_millis(1)));
        });
        assert!(eventually(|| traced.of_cede("slow call").len() == 1));
        hasty.release();
        other.join().unwrap();
        assert!(eventually_idle("cede-watchdog"));
        patient.release();
        call.join().unwrap();
    });
    assert!(
        eventually(|| traced.open_spans().is_empty()),
        "{:?}",
        traced.open_spans()
    );
}

#[test]
fn of_the_task() {
    ends("of_the_task", LevelFilter::INFO);
}

#[test]
fn of_the_call() {
    ends("of_the_call", LevelFilter::DEBUG);
}
