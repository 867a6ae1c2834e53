//! Calls with a limit of their own that are over long before it do not wake the watchdog each time.

use cede_integration_tests::process::{Watchdog, eventually, threads_named, voluntary_switches};
use futures::executor::block_on;
use std::thread;
use std::time::{Duration, Instant};

const CALLS: u64 = 1000;
const LIMIT: Duration = Duration::from_millis(40);

#[test]
fn a_thousand_short_calls() {
    let _watchdog = Watchdog::new("short calls with limits");
    let config = cede::Config::new()
        .slow_after(Duration::MAX)
        .brief_limit(Duration::MAX);
    config.install().unwrap();
    let call = || block_on(cede::call(|| ()).slow_after(LIMIT));
    call();
    assert!(eventually(|| threads_named("cede-watchdog").len() == 1));
    let watchdog = threads_named("cede-watchdog")[0];
    let before = voluntary_switches(watchdog).unwrap();
    let began = Instant::now();
    for _ in 0..CALLS {
        call();
        // Time enough to sleep in between.
        thread::sleep(Duration::from_micros(100));
    }
    let woken = voluntary_switches(watchdog).unwrap() - before;
    let looks = (4 * began.elapsed()).div_duration_f64(LIMIT);
    let most = 2.0 * looks + CALLS as f64 / 20.0;
    assert!((woken as f64) < most, "woken {woken} times, {looks} looks");
}
