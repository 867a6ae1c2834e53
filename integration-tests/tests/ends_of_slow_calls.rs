//! A slow call's end is said once, also if the watchdog is still about to say that it is slow, and whatever comes after it at the
//! same place.

use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{Held, LIMIT, PATIENCE, Traced, child, child_task, under_c};
use futures::executor::block_on;
use std::sync::{Arc, LazyLock};
use std::thread;
use tokio::sync::Semaphore;
use tracing::{Event, Instrument, Subscriber, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The watchdog's thread waits here, in its first event.
static GATE: LazyLock<Gate> = LazyLock::new(Gate::new);
static INSIDE: LazyLock<Crowd> = LazyLock::new(Crowd::new);

struct Blocks;

impl<S: Subscriber> Layer<S> for Blocks {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        if thread::current().name() == Some("cede-watchdog") {
            INSIDE.wait_at(&GATE);
        }
    }
}

/// Runs a test in a process of its own, for the sake of its subscriber; what it sees there.
fn alone(test: &str) -> Option<Traced> {
    if child_task().is_none() {
        let output = child(test, "alone");
        assert!(output.status.success(), "{output:?}");
        return None;
    }
    let traced = Traced::default();
    let blocks = Blocks.with_filter(LevelFilter::INFO);
    let subscriber = traced.subscriber(LevelFilter::INFO).with(blocks);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let config = cede::Config::new().slow_after(LIMIT).brief_limit(LIMIT);
    config.install().unwrap();
    Some(traced)
}

fn messages(traced: &Traced, name: &str) -> Vec<String> {
    let of_it = traced.events(|e| e.fields.get("name").is_some_and(|n| n == name));
    of_it.into_iter().map(|e| e.message).collect()
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
    let Some(traced) = alone("before_the_next_call_at_its_place") else {
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
        assert!(INSIDE.await_inside(1, PATIENCE));
        held.release();
        calls.join().unwrap();
    });
    GATE.open();
    assert!(eventually(|| messages(&traced, "slow").len() == 2));
    assert_eq!(messages(&traced, "slow"), SLOW);
    assert_eq!(messages(&traced, "next"), [""; 0]);
    // Said by the watchdog, where the call has returned.
    assert_eq!(traced.of_cede(SLOW[1])[0].scope, ["request"]);
}

#[test]
fn before_the_next_callback_of_the_call() {
    let _watchdog = Watchdog::new("the next callback");
    let Some(traced) = alone("before_the_next_callback_of_the_call") else {
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
    assert!(INSIDE.await_inside(1, PATIENCE));
    ready.add_permits(1);
    call.join().unwrap();
    GATE.open();
    assert!(eventually(|| messages(&traced, "asks").len() == 2));
    assert_eq!(messages(&traced, "asks"), WAITS);
}
