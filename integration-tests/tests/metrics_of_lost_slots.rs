//! How frames end is told apart; and calls that lose their slot are timed, those that keep it are not.

use cede::Metrics;
use cede_fixtures::Gate;
use cede_fixtures::time::sleep_us;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const CALLS: u64 = 20;

/// C that waits for another task of the only worker: somebody must have taken the slot by then.
async fn loses_its_slot(long: bool) {
    let gate = Arc::new(Gate::new());
    let opener = gate.clone();
    tokio::spawn(async move { opener.open() });
    let call = cede::call(|| gate.wait());
    if long { call.long().await } else { call.await }
}

/// Retaken calls after ones that handed their slot off, and calls that begin without a slot, under another's callback: what was
/// before them is not theirs. How long they took at most.
async fn after_others() -> Duration {
    let mut took = Duration::ZERO;
    for _ in 0..CALLS {
        loses_its_slot(true).await;
        // Short, so that the next one is not taken for long; be it taken for long itself.
        let began = Instant::now();
        cede::call(|| ()).await;
        took += began.elapsed();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let began = Instant::now();
        loses_its_slot(false).await;
        took += began.elapsed();

        let slept = cede::call(|| {
            sleep_us(2000);
            let began = Instant::now();
            cede::callback(cede::call(|| ())).unwrap();
            began.elapsed()
        });
        took += slept.long().await;
    }
    took
}

/// A call that has ceded nothing, until its callback parks; somebody else has the slot when C returns.
async fn brief_that_parks() {
    let lost = || cede::metrics().reacquires.run_queue;
    let before = lost();
    let (answer, waits) = oneshot::channel();
    let sibling = tokio::spawn(async move {
        answer.send(()).expect("C waits");
        while lost() == before {
            thread::yield_now();
        }
    });
    let call = cede::call(|| cede::callback(waits).unwrap().unwrap());
    call.brief().await;
    sibling.await.unwrap();
}

fn frames(seen: &Metrics) -> [u64; 3] {
    let kinds: Vec<_> = seen.reacquires.iter().map(|(_, count)| count).collect();
    kinds.try_into().unwrap()
}

/// One test: it counts what the process does.
#[test]
fn they_are_counted_by_how_they_came_back_and_timed() {
    let _watchdog = Watchdog::new("metrics of lost slots");
    on_worker(1, async {
        for n in 1..=CALLS {
            cede::call(|| ()).await;
            let seen = cede::metrics();
            let [same_slot, idle_worker, run_queue] = frames(&seen);
            // Nobody takes it, unless the machine does not let the thread run.
            assert_eq!(same_slot + idle_worker + run_queue, n);
            let timed = seen.call_duration.in_place.count();
            assert_eq!(timed, idle_worker + run_queue);
        }
    });
    let [kept, ..] = frames(&cede::metrics());
    assert!(kept > 0, "nobody took it");

    let before = cede::metrics();
    on_worker(1, async {
        for _ in 0..CALLS {
            loses_its_slot(true).await;
        }
    });
    let seen = cede::metrics();
    let [same_slot, idle_worker, run_queue] = frames(&seen);
    let lost = idle_worker + run_queue;
    assert_eq!((same_slot, lost), (kept, 2 * CALLS - kept));
    assert_eq!(seen.hand_offs - before.hand_offs, CALLS);
    assert_eq!(seen.call_duration.long.count(), CALLS);
    assert_eq!(seen.slot_wait.count(), run_queue, "each was polled again");
    let before = seen.call_duration.in_place.sum();
    assert_eq!(seen.untimed_calls().long, 0);

    // A call that sleeps for long is retaken, or the slot was handed off because the last ones were.
    on_worker(1, async {
        for _ in 0..CALLS {
            cede::call(|| sleep_us(20_000)).await;
        }
    });
    let seen = cede::metrics();
    let durations = &seen.call_duration.in_place;
    assert_eq!(durations.count(), 2 * CALLS - kept);
    assert_eq!(seen.untimed_calls().in_place, kept, "the first ones");
    let slept = Duration::from_millis(20) * u32::try_from(CALLS).unwrap();
    assert!(durations.sum() - before > slept / 2, "{durations:?}");
    // Nothing of it can be in a bucket of what is far shorter.
    assert!(durations.quantile(0.5).unwrap() >= Duration::from_millis(16));

    // In a scope, where one call's loss is not the next one's.
    on_worker(
        1,
        cede::scope(async {
            for _ in 0..CALLS {
                loses_its_slot(false).await;
                cede::call(|| ()).await;
            }
        }),
    );
    let timed = seen.call_duration.in_place.count();
    let before = cede::metrics().call_duration.in_place;
    // Unless the machine has not let the thread run for so long.
    assert!((CALLS..2 * CALLS).contains(&(before.count() - timed)));

    let took = on_worker(1, after_others());
    let after = cede::metrics().call_duration.in_place;
    let count = after.count() - before.count();
    assert!((2 * CALLS..=3 * CALLS).contains(&count), "{count}");
    let timed = after.sum() - before.sum();
    assert!(timed <= took, "{timed:?} of {took:?}");

    let before = cede::metrics();
    let began = Instant::now();
    on_worker(1, async {
        for _ in 0..CALLS {
            cede::call(|| ()).brief().await;
            brief_that_parks().await;
        }
    });
    let took = began.elapsed();
    let seen = cede::metrics();
    let lost = seen.reacquires.run_queue - before.reacquires.run_queue;
    assert_eq!(lost, CALLS);
    assert_eq!(seen.slot_wait.count() - before.slot_wait.count(), lost);
    assert_eq!(seen.calls.brief, 2 * CALLS);
    let timed = &seen.call_duration.brief;
    assert_eq!(timed.count(), CALLS, "those that have lost their slot");
    assert!(timed.sum() <= took, "{timed:?} of {took:?}");

    // What was taken or given away was a frame's. (One may be lost otherwise: to a thread that comes back late.)
    let [_, idle_worker, run_queue] = frames(&seen);
    assert!(seen.retakes + seen.hand_offs <= idle_worker + run_queue);
    assert!(seen.retakes > 0 && seen.hand_offs > 0);
}
