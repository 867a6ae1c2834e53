//! Each limit is that of its own kind of call: brief ones have theirs, and all others, and callbacks, have the other.

use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{Held, Traced, is_alone, under_c};
use futures::executor::block_on;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing_subscriber::filter::LevelFilter;

const SHORT: Duration = Duration::from_millis(20);

/// A call of each kind lasts, and a callback: with these limits, this is said, and nothing else.
fn is_said(test: &str, slow_after: Duration, brief_limit: Duration, expected: &[&str]) {
    if !is_alone(test) {
        return;
    }
    let _watchdog = Watchdog::new("limits by kind");
    let traced = Traced::default();
    tracing::subscriber::set_global_default(traced.subscriber(LevelFilter::INFO)).unwrap();
    let config = cede::Config::new().slow_after(slow_after);
    config.brief_limit(brief_limit).install().unwrap();
    let said = || {
        let events = traced.of_cede("").into_iter();
        let mut said: Vec<_> = events
            .filter(|event| event.fields.contains_key("age_ms"))
            .map(|event| format!("{}: {}", event.fields["mode"], event.message))
            .collect();
        said.sort();
        said.dedup();
        said
    };
    let held = Arc::new([Held::new(), Held::new(), Held::new()]);
    let ready = Semaphore::new(0);
    thread::scope(|scope| {
        scope.spawn(|| block_on(cede::call(|| held[0].wait())));
        scope.spawn(|| block_on(cede::call(|| held[1].wait()).brief()));
        let wait = held.clone();
        scope.spawn(|| block_on(cede::offload(move || wait[2].wait())));
        scope.spawn(|| {
            let asks = || under_c(|| cede::callback(async { ready.acquire().await.is_ok() }));
            assert_eq!(block_on(cede::call(asks).brief()), Ok(true));
        });
        assert!(eventually(|| held.iter().all(|held| held.thread() != 0)));
        let is_there = |expected: &&str| said().iter().any(|said| said == expected);
        assert!(eventually(|| expected.iter().all(is_there)), "{:?}", said());
        // Whoever had the shorter limit by mistake would be told of as well.
        thread::sleep(5 * SHORT);
        ready.add_permits(1);
        held.iter().for_each(Held::release);
    });
    assert_eq!(said(), expected);
}

const BRIEF: &str = "brief: brief call is not brief";
const WAITS: &str = "brief: a callback keeps its thread waiting";
const IN_PLACE: &str = "in_place: slow call";
const OFFLOADED: &str = "offloaded: slow call";

#[test]
fn of_brief_calls() {
    is_said("of_brief_calls", Duration::MAX, SHORT, &[BRIEF]);
}

#[test]
fn of_all_others() {
    let all_others = [WAITS, IN_PLACE, OFFLOADED];
    is_said("of_all_others", SHORT, Duration::MAX, &all_others);
}

/// Whatever lasts is slow.
#[test]
fn of_nothing() {
    let all = [WAITS, BRIEF, IN_PLACE, OFFLOADED];
    is_said("of_nothing", Duration::ZERO, Duration::ZERO, &all);
}
