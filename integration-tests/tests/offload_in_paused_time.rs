//! Paused test time stands still while C runs, as with `spawn_blocking`.

use cede::offload;
use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[test]
fn a_timeout_does_not_fire_while_c_runs() {
    let _watchdog = Watchdog::new("paused time");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let gate = Arc::new(Gate::new());
        let call = {
            let gate = gate.clone();
            // Long enough for the runtime to find nothing else to do.
            offload(move || gate.wait_for(Duration::from_millis(30)))
        };
        assert_eq!(timeout(Duration::from_millis(10), call).await, Ok(false));
        // Without C in flight it goes on by itself.
        let start = tokio::time::Instant::now();
        sleep(Duration::from_secs(3600)).await;
        assert!(start.elapsed() >= Duration::from_secs(3600));
    });
}
