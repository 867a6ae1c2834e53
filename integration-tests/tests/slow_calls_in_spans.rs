//! A warning belongs to the call's span, where calls have spans; else to the span that is known: its task's when it has returned, and
//! for offloaded calls from the start.

use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{
    EventSeen, Held, LIMIT, Traced, install_limit, is_alone, on_worker, under_c,
};
use futures::executor::block_on;
use std::sync::Arc;
use std::thread;
use tokio::sync::Semaphore;
use tracing::{Instrument, info_span};
use tracing_subscriber::filter::LevelFilter;

/// Runs a test in a process of its own, for the sake of its subscriber; what it sees there.
fn alone(test: &str, level: LevelFilter) -> Option<Traced> {
    if !is_alone(test) {
        return None;
    }
    let traced = Traced::default();
    tracing::subscriber::set_global_default(traced.subscriber(level)).unwrap();
    install_limit(LIMIT);
    Some(traced)
}

fn first(traced: &Traced, message: &str) -> EventSeen {
    let of = |traced: &Traced| traced.events(|event| event.message == message);
    assert!(eventually(|| !of(traced).is_empty()), "{message}");
    let mut events = of(traced);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

/// The spans that the two warnings of a call are in, which is released after the first.
fn scopes(
    traced: &Traced,
    messages: [&str; 2],
    run: impl FnOnce(Arc<Held>) + Send,
) -> [Vec<String>; 2] {
    let held = Arc::new(Held::new());
    thread::scope(|scope| {
        let wait = held.clone();
        let call = scope.spawn(|| run(wait));
        let started = first(traced, messages[0]).scope;
        held.release();
        call.join().unwrap();
        [started, first(traced, messages[1]).scope]
    })
}

const SLOW: [&str; 2] = ["slow call", "slow call has returned"];
const BRIEF: [&str; 2] = ["brief call is not brief", "brief call has returned late"];

#[test]
fn of_the_call() {
    let _watchdog = Watchdog::new("in its span");
    let Some(traced) = alone("of_the_call", LevelFilter::DEBUG) else {
        return;
    };
    let in_place = scopes(&traced, SLOW, |held| {
        let call = async move { cede::call(|| held.wait()).named("c").await };
        on_worker(1, call.instrument(info_span!("request")));
    });
    assert_eq!(in_place, [["c", "request"], ["c", "request"]]);
    let brief = scopes(&traced, BRIEF, |held| {
        let call = async move { cede::call(|| held.wait()).named("b").brief().await };
        on_worker(1, call.instrument(info_span!("request")));
    });
    assert_eq!(brief, [["b", "request"], ["b", "request"]]);
}

#[test]
fn of_an_offloaded_call() {
    let _watchdog = Watchdog::new("offloaded, in its span");
    let Some(traced) = alone("of_an_offloaded_call", LevelFilter::DEBUG) else {
        return;
    };
    let offloaded = scopes(&traced, SLOW, |held| {
        let call = async move { cede::offload(move || held.wait()).named("o").await };
        on_worker(1, call.instrument(info_span!("request")));
    });
    assert_eq!(offloaded, [["o", "request"], ["o", "request"]]);
}

#[test]
fn of_the_task() {
    let _watchdog = Watchdog::new("in its task's span");
    let Some(traced) = alone("of_the_task", LevelFilter::INFO) else {
        return;
    };
    let in_place = scopes(&traced, SLOW, |held| {
        let call = async move { cede::call(|| held.wait()).await };
        on_worker(1, call.instrument(info_span!("request")));
    });
    assert_eq!(in_place, [vec![], vec!["request".to_owned()]]);
    let brief = scopes(&traced, BRIEF, |held| {
        let call = async move { cede::call(|| held.wait()).brief().await };
        on_worker(1, call.instrument(info_span!("request")));
    });
    assert_eq!(brief, [vec![], vec!["request".to_owned()]]);
}

#[test]
fn of_the_task_of_an_offloaded_call() {
    let _watchdog = Watchdog::new("offloaded, in its task's span");
    let Some(traced) = alone("of_the_task_of_an_offloaded_call", LevelFilter::INFO) else {
        return;
    };
    let offloaded = scopes(&traced, SLOW, |held| {
        let call = async move { cede::offload(move || held.wait()).await };
        on_worker(1, call.instrument(info_span!("request")));
    });
    assert_eq!(offloaded, [["request"], ["request"]]);
}

#[test]
fn of_the_task_that_waits() {
    let _watchdog = Watchdog::new("a callback, in its task's span");
    let Some(traced) = alone("of_the_task_that_waits", LevelFilter::INFO) else {
        return;
    };
    let ready = Arc::new(Semaphore::new(0));
    let wait = ready.clone();
    let call = async move {
        cede::call(|| under_c(|| cede::callback(async { wait.acquire().await.is_ok() }))).await
    };
    let call = call.instrument(info_span!("request"));
    let call = thread::spawn(|| block_on(call));
    let keeps = first(&traced, "a callback keeps its thread waiting");
    ready.add_permits(1);
    assert_eq!(call.join().unwrap(), Ok(true));
    let done = first(&traced, "a callback that kept its thread waiting is done");
    assert_eq!([keeps.scope, done.scope], [["request"], ["request"]]);
}
