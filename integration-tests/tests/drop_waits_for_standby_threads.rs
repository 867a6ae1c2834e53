//! `Runtime::drop` returns only when no thread runs a task of the runtime any more, whoever's thread it is.

use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::PATIENCE;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::workers;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Counts itself out when the task that holds it is gone.
struct Guest(Arc<AtomicUsize>);

impl Guest {
    fn of(house: &Arc<AtomicUsize>) -> Self {
        house.fetch_add(1, Ordering::SeqCst);
        Self(house.clone())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Long enough for a drop that does not wait to be found out.
        thread::sleep(Duration::from_millis(20));
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The worker's own thread has returned from C and retired; a standby is the worker, amid a long poll.
#[test]
fn that_are_amid_a_poll() {
    let _watchdog = Watchdog::new("a standby amid a poll");
    for _ in 0..5 {
        let runtime = workers(1);
        let house = Arc::new(AtomicUsize::new(0));
        let (gate, begun) = (Arc::new(Gate::new()), Arc::new(AtomicBool::new(false)));
        let (at, guest) = (gate.clone(), Guest::of(&house));
        let call = runtime.spawn(async move {
            cede::call(|| at.wait()).await;
            drop(guest);
        });
        let (at, is_begun, guest) = (gate, begun.clone(), Guest::of(&house));
        runtime.spawn(async move {
            let _guest = guest;
            // Reached only by way of a standby. From here on C returns, and this poll lasts.
            at.open();
            is_begun.store(true, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(100));
        });
        assert!(eventually(|| begun.load(Ordering::SeqCst)));
        drop(runtime);
        assert_eq!(house.load(Ordering::SeqCst), 0);
        drop(call);
    }
}

/// The destructors of tasks that the shutdown drops run on a standby.
#[test]
fn that_drop_the_tasks() {
    let _watchdog = Watchdog::new("a standby drops the tasks");
    for _ in 0..5 {
        let runtime = workers(1);
        let house = Arc::new(AtomicUsize::new(0));
        let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
        let (at, among) = (gate.clone(), crowd.clone());
        let call = runtime.spawn(async move { cede::call(|| among.wait_at(&at)).await });
        assert!(crowd.await_inside(1, PATIENCE));
        for _ in 0..5 {
            let guest = Guest::of(&house);
            runtime.spawn(async move {
                let _guest = guest;
                std::future::pending::<()>().await;
            });
        }
        gate.open();
        runtime.block_on(call).unwrap();
        drop(runtime);
        assert_eq!(house.load(Ordering::SeqCst), 0);
    }
}

/// Standbys of standbys: each of the calls was retaken, and all return at once.
#[test]
fn that_took_over_from_one_another() {
    let _watchdog = Watchdog::new("standbys of standbys");
    const CALLS: usize = 16;
    let runtime = workers(1);
    let house = Arc::new(AtomicUsize::new(0));
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    for _ in 0..CALLS {
        let (gate, crowd, guest) = (gate.clone(), crowd.clone(), Guest::of(&house));
        runtime.spawn(async move {
            let _guest = guest;
            cede::call(|| crowd.wait_at(&gate)).await;
        });
    }
    assert!(crowd.await_inside(CALLS, PATIENCE));
    gate.open();
    drop(runtime);
    assert_eq!(house.load(Ordering::SeqCst), 0);
    assert_eq!(crowd.inside(), 0);
}
