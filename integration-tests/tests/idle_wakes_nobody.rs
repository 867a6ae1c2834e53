//! When no call is running, no thread of the crate wakes up.

use cede_integration_tests::process::{
    Watchdog, best_of_three, eventually, threads_named, voluntary_switches,
};
use cede_integration_tests::{calls_at_once, workers};
use std::thread;
use std::time::Duration;

fn switches() -> Vec<(u32, Option<u64>)> {
    threads_named("cede-")
        .into_iter()
        .map(|id| (id, voluntary_switches(id)))
        .collect()
}

#[test]
fn no_thread_of_ours_runs_while_nothing_is_called() {
    let _watchdog = Watchdog::new("idle");
    let runtime = workers(2);
    // Threads to watch: the monitor, the watchdog, and standbys that have been used.
    let crowd = calls_at_once(&runtime, 4);
    assert!(eventually(|| crowd.inside() == 0));
    runtime.block_on(runtime.spawn(cede::call(|| ()))).unwrap();
    runtime
        .block_on(runtime.spawn(cede::offload(|| ())))
        .unwrap();
    // A turn of which something is left.
    runtime.block_on(async {
        for _ in 0..1000 {
            cede::call(|| ()).brief().await;
        }
    });
    assert_eq!(threads_named("cede-watchdog").len(), 1);

    best_of_three(|| {
        // The monitor looks on for a tenth of a second.
        thread::sleep(Duration::from_millis(500));
        let before = switches();
        assert!(before.len() > 1, "{before:?}");
        thread::sleep(Duration::from_millis(500));
        let after = switches();
        if before == after {
            Ok(())
        } else {
            Err(format!("{before:?}, then {after:?}"))
        }
    });

    // Not because it is gone: what follows is retaken.
    calls_at_once(&runtime, 4);
}
