//! What watching costs while every call is short: the CPU time of the monitor's thread, as a share
//! of one core.

use std::time::{Duration, Instant};

use cede_fixtures::plain::empty;

use crate::effort::Effort;
use crate::proc::cpu_time;
use crate::row::Row;
use crate::runtime::with_workers;

const MONITOR: &str = "cede-monitor";

pub(crate) fn rows(effort: Effort) -> Vec<Row> {
    let runtime = with_workers(2);
    let length = effort.pick(Duration::from_secs(1), Duration::from_millis(10));
    let calls = || {
        runtime
            .block_on(runtime.spawn(calls_for(length)))
            .expect("the task ends well")
    };
    // The monitor begins with the first call, and its back-off is over by the end of this.
    calls();
    if let Effort::Quick = effort {
        return Vec::new();
    }
    let on_cpu = || cpu_time(MONITOR).expect("short calls are watched by a thread of that name");
    let samples = (0..5).map(|_| {
        let before = on_cpu();
        let took = calls();
        100.0 * (on_cpu() - before).as_secs_f64() / took.as_secs_f64()
    });
    vec![Row::new(
        "monitor_cpu_percent",
        "percent",
        samples.collect(),
    )]
}

async fn calls_for(length: Duration) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    while start.elapsed() < length {
        let before = sum;
        for _ in 0..100 {
            sum = cede::call(|| empty(sum)).await;
        }
        assert_eq!(sum, before + 100);
    }
    start.elapsed()
}
