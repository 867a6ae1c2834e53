//! `drain` waits for what is in flight, and says what is left: by name and age.

use cede::offload;
use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, block_on, on_worker};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// The roll is the process's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn it_names_what_is_left_and_waits_for_it() {
    let _alone = ONE_AT_A_TIME.lock();
    let _watchdog = Watchdog::new("drain");
    on_worker(1, async {
        cede::drain(Duration::ZERO).await.expect("there is nothing");
        let gate = Arc::new(Gate::new());
        let waits = || {
            let (gate, (in_c, is_in_c)) = (gate.clone(), oneshot::channel());
            let work = move || {
                in_c.send(()).unwrap();
                gate.wait();
            };
            (offload(work), is_in_c)
        };
        let (call, is_in_c) = waits();
        tokio::select! {
            () = call.named("abandoned_one") => panic!("the gate is shut"),
            begun = is_in_c => begun.unwrap(),
        }
        let (call, is_in_c) = waits();
        let mut awaited = call.named("awaited_one");
        awaited.try_start().unwrap();
        is_in_c.await.unwrap();

        let left = cede::drain(SHORT).await.unwrap_err();
        let seen: Vec<_> = left
            .calls()
            .iter()
            .map(|call| (call.name().unwrap(), call.is_abandoned()))
            .collect();
        assert_eq!(seen, [("abandoned_one", true), ("awaited_one", false)]);
        assert!(left.calls().iter().all(|call| call.age() >= SHORT));
        assert!(left.calls()[0].location().file().ends_with("drain.rs"));
        let text = left.to_string();
        assert!(
            text.contains("abandoned_one") && text.contains("drain.rs"),
            "{text}"
        );

        let drains = tokio::spawn(cede::drain(PATIENCE));
        let (again, ()) = tokio::join!(cede::drain(PATIENCE), async {
            tokio::task::yield_now().await;
            gate.open();
        });
        again.unwrap();
        drains.await.unwrap().unwrap();
        awaited.await;
    });
}

#[test]
fn it_needs_no_runtime() {
    let _alone = ONE_AT_A_TIME.lock();
    let _watchdog = Watchdog::new("drain");
    let gate = Arc::new(Gate::new());
    let mut call = {
        let gate = gate.clone();
        offload(move || gate.wait())
    };
    call.try_start().unwrap();
    block_on(cede::drain(SHORT)).unwrap_err();
    drop(call);
    gate.open();
    block_on(cede::drain(Duration::MAX)).unwrap();
}
