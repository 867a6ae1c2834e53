//! What watching costs while every call is short: the CPU time of the monitor's thread, and of the
//! watchdog's, as shares of one core.

use std::time::{Duration, Instant};

use cede_fixtures::plain::empty;

use crate::effort::Effort;
use crate::proc::cpu_time;
use crate::row::Row;
use crate::runtime::with_workers;

const MONITOR: &str = "cede-monitor";
const WATCHDOG: &str = "cede-watchdog";

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
    let on_cpu =
        |thread| cpu_time(thread).expect("short calls are watched by threads of that name");
    let (mut monitor, mut watchdog) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let before = [MONITOR, WATCHDOG].map(on_cpu);
        let took = calls();
        let after = [MONITOR, WATCHDOG].map(on_cpu);
        let share = |at: usize| 100.0 * (after[at] - before[at]).as_secs_f64() / took.as_secs_f64();
        monitor.push(share(0));
        watchdog.push(share(1));
    }
    vec![
        Row::new("monitor_cpu_percent", "percent", monitor),
        Row::new("watchdog_cpu_percent", "percent", watchdog),
    ]
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
