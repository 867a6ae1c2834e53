//! A slow call's end is said once, also if the watchdog is still about to say that it is slow, and whatever comes after it at the
//! same place.

use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{
    Held, HoldsWatchdog, LIMIT, Traced, install_limit, is_alone, under_c,
};
use futures::executor::block_on;
use std::sync::Arc;
use std::thread;
use tokio::sync::Semaphore;
use tracing::{Instrument, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// Runs a test in a process of its own, for the sake of its subscriber, by which the watchdog is held up; what it sees there.
fn alone(test: &str) -> Option<(Traced, HoldsWatchdog)> {
    if !is_alone(test) {
        return None;
    }
    let (traced, held_up) = (Traced::default(), HoldsWatchdog::default());
    let holds = held_up.clone().with_filter(LevelFilter::INFO);
    let subscriber = traced.subscriber(LevelFilter::INFO).with(holds);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    install_limit(LIMIT);
    Some((traced, held_up))
}

const SLOW: [&str; 2] = ["slow call", "slow call has returned"];
const WAITS: [&str; 2] = [
    "a callback keeps its thread waiting",
    "a callback that kept its thread waiting is done",
];

/// Calls of one loop lie at one address.
#[test]
fn before_the_next_call_at_its_place() {
    let _watchdog = Watchdog::new("the next call at its place");
    let Some((traced, held_up)) = alone("before_the_next_call_at_its_place") else {
        return;
    };
    let held = &Held::new();
    thread::scope(|scope| {
        let calls = async {
            for (name, waits) in [("slow", true), ("next", false), ("last", false)] {
                cede::call(|| waits.then(|| held.wait())).named(name).await;
            }
        };
        let calls = calls.instrument(info_span!("request"));
        let calls = scope.spawn(|| block_on(calls));
        held_up.await_it();
        held.release();
        calls.join().unwrap();
    });
    held_up.let_go();
    assert!(eventually(|| traced.messages_of("slow").len() == 2));
    assert_eq!(traced.messages_of("slow"), SLOW);
    assert_eq!(traced.messages_of("next"), [""; 0]);
    // Said by the watchdog, where the call has returned.
    assert_eq!(traced.of_cede(SLOW[1])[0].scope, ["request"]);
}

#[test]
fn before_the_next_callback_of_the_call() {
    let _watchdog = Watchdog::new("the next callback");
    let Some((traced, held_up)) = alone("before_the_next_callback_of_the_call") else {
        return;
    };
    let ready = Arc::new(Semaphore::new(0));
    let wait = ready.clone();
    let call = cede::offload(move || {
        for _ in 0..3 {
            under_c(|| cede::callback(async { wait.acquire().await.is_ok() })).unwrap();
        }
    });
    let call = thread::spawn(|| block_on(call.named("asks")));
    held_up.await_it();
    ready.add_permits(1);
    call.join().unwrap();
    held_up.let_go();
    assert!(eventually(|| traced.messages_of("asks").len() == 2));
    assert_eq!(traced.messages_of("asks"), WAITS);
}
