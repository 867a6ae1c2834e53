//! When a runtime is gone, so are the descriptors, the threads and the memory that its calls have taken.

use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::PATIENCE;
use cede_integration_tests::process::{Watchdog, descriptors, eventually, threads, threads_named};
use cede_integration_tests::workers;
use std::sync::Arc;

/// Has two calls retaken and one wait in a callback.
fn use_a_runtime(n: u32) {
    let runtime = workers(2);
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let (gate, crowd) = (gate.clone(), crowd.clone());
            runtime.spawn(async move { cede::call(|| crowd.wait_at(&gate)).await })
        })
        .collect();
    assert!(crowd.await_inside(2, PATIENCE));
    let answer = runtime.block_on(runtime.spawn(async move {
        cede::call(|| {
            cede::callback(async {
                tokio::task::yield_now().await;
                n
            })
        })
        .await
    }));
    assert_eq!(answer.unwrap(), Ok(n));
    gate.open();
    runtime.block_on(async {
        for call in calls {
            call.await.unwrap();
        }
    });
}

#[test]
fn of_descriptors_and_threads() {
    let _watchdog = Watchdog::new("runtimes leave nothing behind");
    use_a_runtime(0);
    assert!(eventually(|| threads_named("cede-standby").is_empty()));
    let (descriptors_before, threads_before) = (descriptors(), threads());
    for n in 0..20 {
        use_a_runtime(n);
    }
    assert!(eventually(|| threads_named("cede-standby").is_empty()));
    assert!(
        eventually(|| descriptors() <= descriptors_before),
        "{} descriptors, {descriptors_before} before",
        descriptors(),
    );
    assert!(
        eventually(|| threads() <= threads_before),
        "{} threads, {threads_before} before",
        threads(),
    );
    assert_eq!(cede::metrics().standby_threads, 0);

    // Ids and addresses come round again: nothing of a former runtime is taken for the new one's.
    for n in 0..200 {
        use_a_runtime(n);
    }
    assert!(eventually(
        || descriptors() <= descriptors_before && threads() <= threads_before
    ));
    let metrics = cede::metrics();
    assert_eq!((metrics.standby_threads, metrics.leaked_stacks), (0, 0));
}
