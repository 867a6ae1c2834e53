//! A subscriber that blocks in the watchdog's warnings stops the watchdog, and nobody else: calls begin, are retaken and return.

use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{Held, LIMIT, PATIENCE, Traced, on_worker, under_c, workers};
use futures::executor::block_on;
use std::sync::{Arc, LazyLock};
use std::thread;
use tokio::sync::oneshot;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The watchdog's thread waits here, in each event.
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

#[test]
fn nobody_waits_for_the_watchdog() {
    let _watchdog = Watchdog::new("a subscriber that blocks");
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::INFO).with(Blocks);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let config = cede::Config::new().slow_after(LIMIT).brief_limit(LIMIT);
    config.install().unwrap();
    let messages = |name: &str| {
        let of_it = traced.events(|e| e.fields.get("name").is_some_and(|n| n == name));
        of_it.into_iter().map(|e| e.message).collect::<Vec<_>>()
    };

    let held = Held::new();
    thread::scope(|scope| {
        let call = scope.spawn(|| block_on(cede::call(|| held.wait()).named("blocks it")));
        assert!(INSIDE.await_inside(1, PATIENCE));
        // The very call that is spoken of returns.
        held.release();
        call.join().unwrap();
    });

    // Retakes: more calls at once than there are workers.
    let runtime = workers(2);
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    for _ in 0..4 {
        let (gate, crowd) = (gate.clone(), crowd.clone());
        runtime.spawn(async move { cede::call(|| crowd.wait_at(&gate)).await });
    }
    assert!(crowd.await_inside(4, PATIENCE));
    gate.open();
    assert!(eventually(|| crowd.inside() == 0));
    // Threads come and go, calls are offloaded, callbacks park.
    for _ in 0..4 {
        let (send, receive) = oneshot::channel();
        let call = cede::call(|| under_c(|| cede::callback(receive)).unwrap().unwrap());
        thread::scope(|scope| {
            scope.spawn(|| send.send(1).unwrap());
            assert_eq!(block_on(call), 1);
        });
        assert_eq!(on_worker(1, async { cede::offload(|| 2).await }), 2);
        assert_eq!(on_worker(1, async { cede::call(|| 3).brief().await }), 3);
    }
    // What becomes slow, and is over, while the watchdog cannot speak, is passed over.
    thread::scope(|scope| {
        let call = scope.spawn(|| block_on(cede::call(|| held.wait()).named("passed over")));
        thread::sleep(2 * LIMIT);
        held.release();
        call.join().unwrap();
    });

    GATE.open();
    assert!(eventually(|| messages("blocks it").len() == 2));
    assert_eq!(
        messages("blocks it"),
        ["slow call", "slow call has returned"]
    );
    assert_eq!(messages("passed over"), [""; 0]);
}
