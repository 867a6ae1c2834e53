//! A subscriber that blocks in the watchdog's warnings stops the watchdog, and nobody else: calls begin, are retaken and return.

use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{
    Held, HoldsWatchdog, LIMIT, Traced, calls_at_once, install_limit, on_worker, under_c, workers,
};
use futures::executor::block_on;
use std::thread;
use tokio::sync::oneshot;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn nobody_waits_for_the_watchdog() {
    let _watchdog = Watchdog::new("a subscriber that blocks");
    let (traced, held_up) = (Traced::default(), HoldsWatchdog::default());
    let subscriber = traced.subscriber(LevelFilter::INFO);
    let subscriber = subscriber.with(held_up.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    install_limit(LIMIT);

    let held = Held::new();
    thread::scope(|scope| {
        let call = scope.spawn(|| block_on(cede::call(|| held.wait()).named("blocks it")));
        held_up.await_it();
        // The very call that is spoken of returns.
        held.release();
        call.join().unwrap();
    });

    // Retakes: more calls at once than there are workers.
    let runtime = workers(2);
    let crowd = calls_at_once(&runtime, 4);
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

    held_up.let_go();
    assert!(eventually(|| traced.messages_of("blocks it").len() == 2));
    assert_eq!(
        traced.messages_of("blocks it"),
        ["slow call", "slow call has returned"]
    );
    assert_eq!(traced.messages_of("passed over"), [""; 0]);
}
