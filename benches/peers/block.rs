//! Many tasks in C at once: 1000 of them, ten calls of 1 ms each, on two workers. One sample a
//! process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cede_fixtures::plain::empty;
use cede_fixtures::time::sleep_us;
use tokio::task::JoinSet;

use crate::effort::Effort;
use crate::proc::status;
use crate::row::{self, Row};
use crate::runtime::with_workers;

const BLOCK_US: u32 = 1000;

pub(crate) fn rows(effort: Effort) -> Vec<Row> {
    let (tasks, calls) = (effort.pick(1000, 20), effort.pick(10, 2));
    let runtime = with_workers(2);
    let (wall, threads) = counting_threads(|| {
        let start = Instant::now();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..tasks {
                set.spawn(block(calls));
            }
            set.join_all().await;
        });
        start.elapsed()
    });
    vec![
        Row::new(
            "block1ms_wall_ms",
            "ms",
            vec![row::microseconds(wall) / 1e3],
        ),
        Row::new("block1ms_threads", "threads", vec![threads]),
        Row::new(
            "block1ms_peak_rss_mib",
            "MiB",
            vec![status("VmHWM") / 1024.0],
        ),
    ]
}

async fn block(calls: i32) {
    let mut sum = 0;
    for _ in 0..calls {
        sum = cede::call(|| {
            sleep_us(BLOCK_US);
            empty(sum)
        })
        .await;
    }
    assert_eq!(sum, calls);
}

/// The most threads this process had meanwhile, the one that counts them left out. It looks every 2
/// ms: often enough for a group that takes a hundred times as long, and too seldom to matter to it.
fn counting_threads<R>(work: impl FnOnce() -> R) -> (R, f64) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let counter = scope.spawn(|| {
            let mut most: f64 = 0.0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(status("Threads") - 1.0);
                thread::sleep(Duration::from_millis(2));
            }
            most
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, counter.join().expect("counting ends well"))
    })
}
