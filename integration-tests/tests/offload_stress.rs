//! Ten seconds of completion, cancellation, drops and callbacks that race: every call ends as it may, and nothing is left.
//!
//! What a task does follows from its number. `CEDE_STRESS_SECONDS` sets how long it takes.

use cede::{Cancel, Lane, NotRun, Offload, Refused, metrics, offload};
use cede_fixtures::time::spin_us;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{Dice, PATIENCE, under_c, workers};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::yield_now;

const SECONDS: u64 = 10;
/// Tasks at the same time.
const TASKS: u64 = 64;

/// Calls in callbacks of calls in callbacks.
const DEPTH: u64 = 3;

/// Where a call is among those around it.
#[derive(Clone, Copy, Default)]
struct Level {
    depth: u64,
    /// The lane, or none if there are not so many.
    lane: usize,
}

/// What all tasks share.
struct Place {
    lanes: [Lane; 3],
    /// Closures, results and callbacks' futures hold on to it.
    witness: Arc<()>,
    run: AtomicU64,
    ended: AtomicU64,
    cancellers: UnboundedSender<(cede::Canceller, u32)>,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Work = Box<dyn FnOnce() -> (u64, Arc<()>) + Send>;

/// What C comes to: the sum of its callbacks, unless one was refused.
const GAVE_UP: u64 = u64::MAX;

impl Place {
    /// A call that calls back some times, and its answer.
    fn call(
        self: &Arc<Self>,
        mut dice: Dice,
        outer: Level,
    ) -> (Offload<Work, (u64, Arc<()>)>, u64) {
        let callbacks = dice.below(4);
        let level = Level {
            depth: outer.depth + 1,
            // Lanes that call each other would wait for each other, as locks do: a nested call is on the same or a later one, or
            // on none (and then those in its callbacks too).
            lane: outer.lane + dice.below(3) as usize,
        };
        let (place, held, seed) = (self.clone(), self.witness.clone(), dice);
        let work = move || {
            place.run.fetch_add(1, Ordering::Relaxed);
            let mut dice = seed;
            let mut sum = 0;
            for number in 0..callbacks {
                spin_us(dice.below(20) as u32);
                let future = place.callback(Dice::of(dice.below(u64::MAX)), number, level);
                match under_c(|| cede::callback(future)) {
                    Ok(value) => sum += value,
                    Err(why) => {
                        assert_eq!(why, Refused::Cancelled);
                        sum = GAVE_UP;
                        break;
                    }
                }
            }
            spin_us(dice.below(20) as u32);
            place.ended.fetch_add(1, Ordering::Relaxed);
            (sum, held)
        };
        let call = offload(Box::new(work) as Work);
        let call = match dice.below(4) {
            0 => call.on_cancel(Cancel::Signal),
            1 => call.on_cancel(Cancel::interrupt(|| ())),
            _ => call,
        };
        let call = match self.lanes.get(level.lane) {
            Some(lane) => call.on_lane(lane),
            None => call,
        };
        (call, (0..callbacks).sum())
    }

    fn callback(self: &Arc<Self>, mut dice: Dice, number: u64, level: Level) -> Boxed<u64> {
        let (place, held) = (self.clone(), self.witness.clone());
        Box::pin(async move {
            let _held = held;
            match dice.below(8) {
                0 => tokio::time::sleep(Duration::from_micros(dice.below(300))).await,
                1..4 => yield_now().await,
                4 if level.depth < DEPTH => place.one(dice, level).await,
                _ => {}
            }
            number
        })
    }

    /// Makes a call, and awaits it, drops it or cancels it.
    fn one(self: &Arc<Self>, mut dice: Dice, outer: Level) -> Boxed<()> {
        let place = self.clone();
        Box::pin(async move {
            let (call, expected) = place.call(dice, outer);
            let pause = Duration::from_micros(dice.below(300));
            match dice.below(6) {
                0 | 1 => assert_eq!(call.await.0, expected),
                2 => {
                    // Dropped when it may be anywhere.
                    if let Ok((sum, _)) = tokio::time::timeout(pause, call).await {
                        assert_eq!(sum, expected);
                    }
                }
                3 => {
                    let mut call = Box::pin(call);
                    for _ in 0..dice.below(4) {
                        if cede_integration_tests::polled(call.as_mut())
                            .await
                            .is_ready()
                        {
                            return;
                        }
                        yield_now().await;
                    }
                }
                _ => {
                    let (canceller, call) = call.cancellable();
                    let spin = dice.below(100) as u32;
                    place.cancellers.send((canceller, spin)).unwrap();
                    check(call.await, expected);
                }
            }
        })
    }
}

fn check(outcome: Result<(u64, Arc<()>), NotRun>, expected: u64) {
    match outcome {
        Ok((sum, _)) => assert!(sum == expected || sum == GAVE_UP, "{sum}"),
        Err(why) => assert!(why.is_cancelled(), "{why}"),
    }
}

#[test]
fn everything_at_once() {
    let seconds = std::env::var("CEDE_STRESS_SECONDS").map_or(SECONDS, |n| n.parse().unwrap());
    let _watchdog = Watchdog::with_limit("the stress", Duration::from_secs(seconds) + 2 * PATIENCE);
    let (cancellers, mut to_cancel) = unbounded_channel();
    let lane = |threads| {
        Lane::builder("stress")
            .threads(threads)
            .queue(4)
            .start()
            .unwrap()
    };
    let place = Arc::new(Place {
        lanes: [lane(1), lane(2), lane(1)],
        witness: Arc::default(),
        run: AtomicU64::new(0),
        ended: AtomicU64::new(0),
        cancellers,
    });
    // Cancels from a thread of its own.
    let canceller = thread::spawn(move || {
        while let Some((canceller, spin)) = to_cancel.blocking_recv() {
            spin_us(spin);
            let canceller: cede::Canceller = canceller;
            canceller.cancel();
        }
    });
    let over = Arc::new(AtomicBool::new(false));
    let observer = thread::spawn({
        let over = over.clone();
        move || {
            while !over.load(Ordering::Relaxed) {
                let seen = metrics();
                assert!(seen.abandoned_calls <= seen.offloaded_calls, "{seen:?}");
                thread::yield_now();
            }
        }
    });
    let runtime = workers(2);
    runtime.block_on(async {
        let end = Instant::now() + Duration::from_secs(seconds);
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let place = place.clone();
                tokio::spawn(async move {
                    let mut round = 0;
                    while Instant::now() < end {
                        place
                            .one(Dice::of(task << 32 | round), Level::default())
                            .await;
                        round += 1;
                    }
                    round
                })
            })
            .collect();
        let mut rounds = 0;
        for task in tasks {
            rounds += task.await.unwrap();
        }
        cede::drain(PATIENCE).await.unwrap();
        println!(
            "{rounds} rounds, C ran {} times",
            place.run.load(Ordering::Relaxed)
        );
    });
    over.store(true, Ordering::Relaxed);
    observer.join().unwrap();
    let seen = metrics();
    assert_eq!((seen.offloaded_calls, seen.abandoned_calls), (0, 0));
    assert_eq!((seen.lane_calls_waiting, seen.lane_calls_running), (0, 0));
    assert_eq!(
        place.run.load(Ordering::Relaxed),
        place.ended.load(Ordering::Relaxed)
    );
    assert_eq!(Arc::strong_count(&place.witness), 1, "something was leaked");
    drop(place);
    canceller.join().unwrap();
}
