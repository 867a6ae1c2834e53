//! A hundred thousand tasks of every kind at once: all results are right, and nothing is left of them.
//!
//! What a task does follows from its number, so a failure comes again. `CEDE_STRESS` sets the number of tasks.

use cede::Refused;
use cede_fixtures::time::{sleep_us, spin_us};
use cede_integration_tests::process::{Watchdog, eventually, resident_kib, threads};
use cede_integration_tests::{Dice, workers};
use std::panic;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::yield_now;

const TASKS: u64 = 100_000;
/// Tasks that are there at the same time.
const AT_ONCE: u64 = 1000;
/// What the allocator and the threads' caches may keep, in KiB: guessed, and far less than what a leak of one page for
/// each task comes to.
const SLACK_KIB: u64 = 16 << 10;

/// What a panic that is part of the plan carries.
struct Planned(u64);

/// A call within a call within a call; what comes out is `value` and the depth.
fn nested(mut dice: Dice, value: u64, depth: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        let pause = match dice.roll() % 256 {
            0 => 1000,
            1..16 => 100,
            _ => 0,
        };
        let (pends, spins) = (dice.one_in(8), dice.one_in(16));
        let mut errno = 0;
        let call = cede::call(|| {
            if pause > 0 {
                sleep_us(pause);
            }
            if spins {
                spin_us(20);
            }
            let answer = cede::callback(async {
                if pends {
                    yield_now().await;
                }
                if depth == 0 {
                    value
                } else {
                    nested(dice, value, depth - 1).await + 1
                }
            });
            errno += 1;
            answer
        });
        let answer = match (value + depth) % 4 {
            0 => call.brief().await,
            1 => call.on_thread_stack().await,
            2 if pends => call.long().await,
            _ => call.await,
        };
        assert_eq!(errno, 1);
        answer.unwrap()
    })
}

/// Panics in a callback at the bottom, with everything above it refused.
fn panics(value: u64, depth: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(cede::call(move || {
        let refused = cede::callback(async {
            if depth == 0 {
                yield_now().await;
                panic::panic_any(Planned(value));
            }
            panics(value, depth - 1).await
        });
        assert_eq!(refused, Err(Refused::Panicked));
        assert_eq!(cede::callback(async {}), Err(Refused::Panicked));
        0
    }))
}

async fn short_calls(mut dice: Dice, value: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..dice.roll() % 8 + 1 {
        sum += cede::call(|| value).await;
        if dice.one_in(4) {
            yield_now().await;
        }
    }
    sum
}

/// Starts the task of that number; the outcome says whether it went as planned.
fn start(runtime: &Runtime, number: u64) -> impl Future<Output = bool> + use<> {
    let mut dice = Dice::of(number);
    let kind = dice.roll() % 64;
    let depth = dice.roll() % 5;
    let calls = dice.clone().roll() % 8 + 1;
    let (task, expected) = match kind {
        0 => (runtime.spawn(panics(number, depth)), None),
        1..16 => (
            runtime.spawn(cede::scope(nested(dice, number, depth))),
            Some(number + depth),
        ),
        16..32 => (
            runtime.spawn(nested(dice, number, depth)),
            Some(number + depth),
        ),
        32..48 => (
            runtime.spawn(cede::scope(short_calls(dice, number))),
            Some(number * calls),
        ),
        _ => (
            runtime.spawn(short_calls(dice, number)),
            Some(number * calls),
        ),
    };
    async move {
        match (task.await, expected) {
            (Ok(value), Some(expected)) => value == expected,
            (Err(error), None) => {
                let planned = error
                    .try_into_panic()
                    .ok()
                    .and_then(|p| p.downcast::<Planned>().ok());
                planned.is_some_and(|planned| planned.0 == number)
            }
            _ => false,
        }
    }
}

fn run(workers_count: usize, tasks: u64) {
    let runtime = workers(workers_count);
    let mut done = 0;
    while done < tasks {
        let batch: Vec<_> = (done..tasks.min(done + AT_ONCE))
            .map(|n| (n, start(&runtime, n)))
            .collect();
        done += batch.len() as u64;
        runtime.block_on(async {
            for (number, task) in batch {
                assert!(task.await, "task {number} on {workers_count} workers");
            }
        });
    }
}

/// One test: what is left is counted for the whole process.
#[test]
fn all_results_are_right_and_nothing_is_left() {
    let _watchdog = Watchdog::with_limit("stress", Duration::from_secs(600));
    let tasks = std::env::var("CEDE_STRESS").map_or(TASKS, |n| n.parse().unwrap());
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Planned>() {
            print(info);
        }
    }));

    for workers_count in [1, 2, 8] {
        run(workers_count, tasks.min(4 * AT_ONCE));
    }
    let settled = || cede::metrics().standby_threads == 0 && threads() <= THREADS_OF_THE_TEST;
    assert!(eventually(settled), "{} threads", threads());
    let (memory, stacks) = (resident_kib(), cede::metrics().stacks);

    for workers_count in [1, 2, 8] {
        let began = std::time::Instant::now();
        run(workers_count, tasks);
        assert!(
            eventually(settled),
            "{} threads, {:?}",
            threads(),
            cede::metrics()
        );
        println!(
            "{workers_count} workers: {:?}, {} KiB, {:?}",
            began.elapsed(),
            resident_kib(),
            cede::metrics(),
        );
    }

    let metrics = cede::metrics();
    assert_eq!(metrics.leaked_stacks, 0);
    assert!(
        metrics.stacks <= stacks.max(STACKS_KEPT),
        "{} stacks, then {metrics:?}",
        stacks
    );
    assert!(
        eventually(|| resident_kib() <= memory + SLACK_KIB),
        "{memory} KiB, then {} KiB",
        resident_kib(),
    );
}

/// The harness's two, the limit on this test's time, and cede's monitor and watchdog.
const THREADS_OF_THE_TEST: usize = 5;
/// Eight on this thread and 64 for all, of the one size that is used here.
const STACKS_KEPT: usize = 72;
