//! A call that is said to be long gives its slot away itself; nobody has to find out.

use cede_fixtures::Gate;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;

async fn opened_by_another_task() -> Arc<Gate> {
    let gate = Arc::new(Gate::new());
    let opener = gate.clone();
    tokio::spawn(async move { opener.open() });
    gate
}

/// One test: it counts what the process does.
#[test]
fn and_the_monitor_has_nothing_to_retake() {
    let _watchdog = Watchdog::new("long calls");
    const CALLS: u64 = 20;
    let before = cede::metrics();
    on_worker(1, async {
        for _ in 0..CALLS / 2 {
            let gate = opened_by_another_task().await;
            let returned = cede::call(|| {
                gate.wait();
                7
            });
            assert_eq!(returned.long().await, 7);
        }
    });
    on_worker(
        1,
        cede::scope(async {
            for _ in 0..CALLS / 2 {
                let gate = opened_by_another_task().await;
                let returned = cede::call(|| {
                    gate.wait();
                    7
                });
                assert_eq!(returned.long().await, 7);
            }
        }),
    );
    let after = cede::metrics();
    assert_eq!(after.hand_offs - before.hand_offs, CALLS);
    assert_eq!(after.retakes, before.retakes);
}
