//! Every call and every callback is counted once, whatever it was, wherever it ran, and whether its thread is still there; and
//! no count ever falls.
//!
//! The truth is counted by the code that C runs. What a task does follows from its number, so a failure comes again.

use cede::{Lane, Metrics, Refused};
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{Dice, current_thread, workers};
use std::future::{Future, poll_fn};
use std::panic;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tokio::task::{LocalSet, yield_now};

const MODES: [&str; 8] = [
    "in_place",
    "long",
    "brief",
    "suspendable",
    "migratable",
    "thread_stack",
    "offloaded",
    "lane",
];

const ROUNDS: u64 = 4;
const TASKS: u64 = 1000;

static CALLS: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
static CALLBACKS: AtomicU64 = AtomicU64::new(0);
static WAITED: AtomicU64 = AtomicU64::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);

/// What a panic that is part of the plan carries.
struct Planned;

/// A callback, counted here by how its future was polled.
fn ask(future: impl Future<Output = ()> + Send) {
    let (polled, pended) = (AtomicBool::new(false), AtomicBool::new(false));
    let asked = cede::callback(async {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let is_first = !polled.swap(true, Ordering::Relaxed);
            let poll = future.as_mut().poll(cx);
            if is_first && poll.is_pending() {
                pended.store(true, Ordering::Relaxed);
            }
            poll
        })
        .await;
    });
    if polled.load(Ordering::Relaxed) {
        CALLBACKS.fetch_add(1, Ordering::Relaxed);
        WAITED.fetch_add(pended.load(Ordering::Relaxed).into(), Ordering::Relaxed);
        let panicked = asked == Err(Refused::Panicked);
        PANICS.fetch_add(panicked.into(), Ordering::Relaxed);
    } else {
        assert!(matches!(
            asked,
            Err(Refused::Panicked | Refused::Cancelled | Refused::Shutdown)
        ));
    }
}

/// Polls a future that waits for nothing but tokio's budget.
fn polled<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(output) => return output,
            Poll::Pending => {}
        }
    }
}

/// What runs under C, for a call of this mode.
fn under_c(mode: usize, mut dice: Dice, depth: u64) {
    CALLS[mode].fetch_add(1, Ordering::Relaxed);
    match dice.roll() % 64 {
        0 => panic::panic_any(Planned),
        // Long enough for the monitor, once in a while.
        1 => thread::sleep(Duration::from_micros(300)),
        2 => polled(cede::call(|| under_c(0, Dice::of(dice.roll()), 0)).named("right under C")),
        _ => {}
    }
    for _ in 0..dice.roll() % 3 {
        let pends = dice.one_in(4);
        let panics = dice.one_in(64);
        let next = Dice::of(dice.roll());
        ask(async move {
            if pends {
                yield_now().await;
            }
            if panics {
                panic::panic_any(Planned);
            }
            if depth > 0 {
                call(next, depth - 1).await;
            }
        });
    }
}

/// A call of a random mode, with what it nests.
fn call(mut dice: Dice, depth: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    // Offloaded calls nest only at the top: a line that waits for itself would not move.
    let mode = (dice.roll() % 6) as usize;
    let rest = Dice::of(dice.roll());
    let work = move || under_c(mode, rest, depth);
    let mut call = cede::call(work).named("stressed");
    if dice.one_in(8) {
        call = call.stack_size(64 << 10);
    }
    match mode {
        0 => Box::pin(call),
        1 => Box::pin(call.long()),
        2 => Box::pin(call.brief()),
        3 => Box::pin(call.suspendable()),
        // SAFETY: nothing of `under_c` is bound to a thread, or used across a callback by way of one; none is forgotten.
        4 if dice.one_in(2) => Box::pin(unsafe { call.brief().migratable() }),
        // SAFETY: as above.
        4 => Box::pin(unsafe { call.migratable() }),
        _ => Box::pin(call.suspendable().on_thread_stack()),
    }
}

async fn elsewhere(mut dice: Dice, lane: Option<Lane>) {
    let rest = Dice::of(dice.roll());
    let mode = if lane.is_some() { 7 } else { 6 };
    let mut call = cede::offload(move || under_c(mode, rest, 1)).named("stressed");
    if let Some(lane) = lane {
        call = call.on_lane(&lane);
    }
    call.await;
}

/// One task; some are given up at their first wait.
async fn task(number: u64, lane: Lane) {
    let mut dice = Dice::of(number);
    let calls = async {
        for _ in 0..dice.roll() % 8 + 1 {
            match dice.roll() % 16 {
                0 => elsewhere(dice, None).await,
                1 => elsewhere(dice, Some(lane.clone())).await,
                _ => call(Dice::of(dice.roll()), 2).await,
            }
        }
    };
    if number % 8 == 0 {
        tokio::select! {
            biased;
            () = calls => {}
            () = yield_now() => {}
        }
    } else if number % 2 == 0 {
        cede::scope(calls).await;
    } else {
        calls.await;
    }
}

/// Makes a call when its thread ends, after the crate's own thread-locals have gone.
struct CallsAtTheEnd;

impl Drop for CallsAtTheEnd {
    fn drop(&mut self) {
        let call = || polled(cede::call(|| under_c(0, Dice::of(1), 0)));
        drop(panic::catch_unwind(call));
    }
}

thread_local! {
    static AT_THE_END: CallsAtTheEnd = const { CallsAtTheEnd };
}

/// Runs so many tasks, on all kinds of threads, which end when this does.
fn run(round: u64, tasks: u64) {
    let lane = Lane::new("exact").unwrap();
    let start = |n: u64| task(round << 32 | n, lane.clone());
    let many = workers(8);
    let handles: Vec<_> = (0..tasks).map(|n| many.spawn(start(n))).collect();
    let few = thread::spawn({
        let lane = lane.clone();
        move || {
            let local = LocalSet::new();
            for n in tasks..tasks + tasks / 8 {
                drop(local.spawn_local(task(round << 32 | n, lane.clone())));
            }
            current_thread().block_on(local);
        }
    });
    let none = thread::spawn(move || {
        AT_THE_END.with(|_| ());
        for n in 0..tasks / 8 {
            let outcome = panic::catch_unwind(|| polled(cede::call(|| under_c(0, Dice::of(n), 0))));
            drop(outcome);
        }
    });
    many.block_on(async {
        for handle in handles {
            drop(handle.await);
        }
    });
    few.join().unwrap();
    none.join().unwrap();
    many.block_on(async {
        cede::drain(Duration::from_secs(20)).await.unwrap();
        lane.close().await;
    });
    check("with its threads there");
}

fn check(when: &str) {
    let seen = cede::metrics();
    let calls = seen.calls.iter().map(|(name, &count)| (name, count));
    let truth = MODES.iter().zip(&CALLS);
    let truth = truth.map(|(&name, count)| (name, count.load(Ordering::Relaxed)));
    assert!(
        calls.eq(truth),
        "{when}: {:?}, in truth {CALLS:?}",
        seen.calls
    );
    let truth = [&CALLBACKS, &WAITED, &PANICS].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(
        [seen.callbacks, seen.callbacks_waited, seen.panics],
        truth,
        "{when}"
    );
    assert_eq!((seen.in_flight(), seen.stacks_in_use), (0, 0), "{when}");
    for (mode, untimed) in seen.untimed_calls().iter() {
        let all_timed = matches!(mode, "suspendable" | "migratable" | "offloaded" | "lane");
        assert!(!all_timed || *untimed == 0, "{when}: {mode}");
    }
    assert_eq!(seen.slot_wait.count() > 0, seen.reacquires.run_queue > 0);
}

/// Each number of each mode, and what else only grows.
fn growing(metrics: &Metrics) -> Vec<u64> {
    let calls = metrics.calls.iter().map(|(_, &count)| count);
    let durations = metrics.call_duration.iter().map(|(_, seen)| seen.count());
    let others = [
        metrics.callbacks,
        metrics.callbacks_waited,
        metrics.slot_wait.count(),
    ];
    let frames = metrics.reacquires.iter().map(|(_, count)| count);
    calls.chain(durations).chain(others).chain(frames).collect()
}

/// One test: it counts what the process does.
#[test]
fn after_a_stress_of_every_mode_on_every_kind_of_thread() {
    let _watchdog = Watchdog::with_limit("exact metrics", Duration::from_secs(240));
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Planned>() {
            print(info);
        }
    }));
    let is_over = Arc::new(AtomicBool::new(false));
    let watched = is_over.clone();
    let watch = thread::spawn(move || {
        let mut last = growing(&cede::metrics());
        while !watched.load(Ordering::Relaxed) {
            let now = growing(&cede::metrics());
            assert!(
                now.iter().zip(&last).all(|(now, last)| now >= last),
                "{last:?}, {now:?}"
            );
            last = now;
        }
    });
    for round in 1..=ROUNDS {
        run(round, TASKS);
        check("with its threads gone");
    }
    is_over.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    assert!(eventually(|| cede::metrics().standby_threads == 0));
    check("with everything gone");
    for (mode, &calls) in cede::metrics().calls.iter() {
        assert!(calls >= 100, "{mode} was hardly tried: {calls}");
    }
}
