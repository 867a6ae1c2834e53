//! A call that is said to be long gives its slot away itself; nobody has to find out.

use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, Traced, on_worker};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::filter::LevelFilter;

async fn opened_by_another_task() -> Arc<Gate> {
    let gate = Arc::new(Gate::new());
    let opener = gate.clone();
    tokio::spawn(async move { opener.open() });
    gate
}

/// A call that is long, and whose slot another task has got and keeps until the call has gone to wait for it.
async fn waits_for_its_slot() {
    let (go_on, told) = mpsc::channel();
    let before = cede::metrics().reacquires.run_queue;
    let sibling = tokio::spawn(async move {
        go_on.send(()).expect("C waits");
        let start = Instant::now();
        while cede::metrics().reacquires.run_queue == before {
            assert!(start.elapsed() < PATIENCE, "the call has come back without");
            thread::yield_now();
        }
    });
    let call = cede::call(move || told.recv()).long();
    call.await.expect("the sibling runs");
    sibling.await.expect("the call went to wait");
}

fn a_span_tells_it_from_a_retake() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    on_worker(1, waits_for_its_slot().with_subscriber(subscriber));
    assert_eq!(traced.call().fields["retaken"], "false");
    assert_eq!(traced.of_cede("slot handed off").len(), 1);
    assert!(traced.of_cede("slot retaken").is_empty());
}

/// One test: it counts what the process does.
#[test]
fn and_the_monitor_has_nothing_to_retake() {
    let _watchdog = Watchdog::new("long calls");
    a_span_tells_it_from_a_retake();
    const CALLS: u64 = 20;
    let before = cede::metrics();
    on_worker(1, async {
        for _ in 0..CALLS / 2 {
            let gate = opened_by_another_task().await;
            let returned = cede::call(|| {
                gate.wait();
                7
            });
            assert_eq!(returned.long().await, 7);
        }
    });
    on_worker(
        1,
        cede::scope(async {
            for _ in 0..CALLS / 2 {
                let gate = opened_by_another_task().await;
                let returned = cede::call(|| {
                    gate.wait();
                    7
                });
                assert_eq!(returned.long().await, 7);
            }
        }),
    );
    let after = cede::metrics();
    assert_eq!(after.hand_offs - before.hand_offs, CALLS);
    assert_eq!(after.retakes, before.retakes);
}
