//! How late a 1 ms tick comes while 64 calls sleep 50 ms, over and over, on two workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cede_fixtures::plain::empty;
use cede_fixtures::time::sleep_us;
use tokio::runtime::Runtime;
use tokio::task::{self, JoinSet};
use tokio::time;

use crate::effort::Effort;
use crate::row::{self, Row};
use crate::runtime::with_workers;

const SLEEPERS: usize = 64;
const SLEEP_US: u32 = 50_000;
const TICK: Duration = Duration::from_millis(1);

/// tokio's timers stand on a grid of 1 ms that begins with the runtime, and a deadline is rounded
/// up to it. So a tick is late by what lies between, however idle the runtime is, and each round
/// puts the ticks a fifth of a grid further on. The rows with `_idle` say what of the others is the
/// grid.
const ROUNDS: u32 = 5;

#[derive(Clone, Copy)]
enum Load {
    Idle,
    Calls,
    BlockInPlace,
}

pub(crate) fn rows(effort: Effort) -> Vec<Row> {
    let mut rows = measure(effort, "", Load::Calls);
    rows.extend(measure(effort, "_idle", Load::Idle));
    rows.extend(measure(effort, "_block_in_place", Load::BlockInPlace));
    rows
}

fn measure(effort: Effort, suffix: &str, load: Load) -> Vec<Row> {
    let runtime = with_workers(2);
    let born = Instant::now();
    let (mut p50, mut p99, mut max) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort.pick(ROUNDS, 1) {
        let phase = TICK * round / ROUNDS;
        let late = row::sorted(&under_load(
            &runtime,
            load,
            born,
            phase,
            effort.pick(1000, 20),
        ));
        p50.push(row::quantile(&late, 0.5));
        p99.push(row::quantile(&late, 0.99));
        max.push(late[late.len() - 1]);
    }
    vec![
        Row::new(format!("heartbeat_p50_us{suffix}"), "us", p50),
        Row::new(format!("heartbeat_p99_us{suffix}"), "us", p99),
        Row::new(format!("heartbeat_max_us{suffix}"), "us", max),
    ]
}

fn under_load(
    runtime: &Runtime,
    load: Load,
    born: Instant,
    phase: Duration,
    ticks: u32,
) -> Vec<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    runtime.block_on(async {
        let mut sleepers = JoinSet::new();
        for _ in 0..SLEEPERS {
            match load {
                Load::Idle => {}
                Load::Calls => drop(sleepers.spawn(calls(stop.clone()))),
                Load::BlockInPlace => drop(sleepers.spawn(blocks_in_place(stop.clone()))),
            }
        }
        let late = tokio::spawn(beat(born, phase, ticks))
            .await
            .expect("the ticks end well");
        stop.store(true, Ordering::Relaxed);
        sleepers.join_all().await;
        late
    })
}

async fn calls(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(cede::call(sleep).await, 1);
    }
}

async fn blocks_in_place(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(task::block_in_place(sleep), 1);
        // Else the next one would find no core to give away.
        task::yield_now().await;
    }
}

fn sleep() -> i32 {
    sleep_us(SLEEP_US);
    empty(0)
}

/// The lateness of every tick in microseconds. Ticks stand on a fixed grid: one that is missed
/// because the one before it came late is counted as late too, so that a long stall weighs by its
/// length.
async fn beat(born: Instant, phase: Duration, ticks: u32) -> Vec<f64> {
    let periods = (born.elapsed().as_nanos() / TICK.as_nanos()) as u32;
    let start = born + TICK * (periods + 2) + phase;
    let mut late = Vec::with_capacity(ticks as usize);
    for i in 0..ticks {
        let due = start + TICK * i;
        time::sleep_until(due.into()).await;
        late.push(row::microseconds(due.elapsed()));
    }
    late
}
