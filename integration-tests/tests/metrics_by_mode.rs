//! A call counts for the mode it was asked to have: on a worker by itself, in a scope, under a callback, and where there is no slot.

use cede::{ByMode, Lane};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{block_on, on_current_thread, on_worker};
use std::future::Future;

/// Distinct, so that none is mistaken for another.
const IN_PLACE: u64 = 11;
const LONG: u64 = 2;
const BRIEF: u64 = 5;
const SUSPENDABLE: u64 = 3;
const MIGRATABLE: u64 = 4;
const THREAD_STACK: u64 = 7;
const OFFLOADED: u64 = 6;
const ON_LANE: u64 = 8;

async fn calls() {
    let lane = Lane::new("by mode").unwrap();
    for _ in 0..IN_PLACE {
        cede::call(|| ()).await;
    }
    for _ in 0..LONG {
        cede::call(|| ()).long().await;
    }
    for _ in 0..BRIEF {
        cede::call(|| ()).brief().await;
    }
    for _ in 0..SUSPENDABLE {
        cede::call(|| ()).brief().suspendable().await;
    }
    for _ in 0..MIGRATABLE {
        // SAFETY: nothing is called.
        unsafe { cede::call(|| ()).long().migratable() }.await;
    }
    for n in 0..THREAD_STACK {
        let call = cede::call(|| ()).on_thread_stack();
        match n % 3 {
            0 => call.await,
            1 => call.long().await,
            _ => call.brief().await,
        }
    }
    for _ in 0..OFFLOADED {
        cede::offload(|| ()).await;
    }
    for _ in 0..ON_LANE {
        cede::offload(|| ()).on_lane(&lane).await;
    }
    lane.close().await;
}

fn numbers(calls: &ByMode<u64>) -> Vec<u64> {
    calls.iter().map(|(_, &calls)| calls).collect()
}

fn counted(run: impl FnOnce()) -> Vec<u64> {
    let before = cede::metrics().calls;
    run();
    let after = cede::metrics().calls;
    let pairs = numbers(&after).into_iter().zip(numbers(&before));
    pairs.map(|(after, before)| after - before).collect()
}

/// In place there are those that others are made under, besides.
fn expected(outer: u64) -> Vec<u64> {
    vec![
        IN_PLACE + outer,
        LONG,
        BRIEF,
        SUSPENDABLE,
        MIGRATABLE,
        THREAD_STACK,
        OFFLOADED,
        ON_LANE,
    ]
}

async fn under_a_callback<F: Future<Output = ()> + Send>(calls: F) {
    cede::call(|| cede::callback(calls).unwrap()).await;
}

/// One test: it counts what the process does.
#[test]
fn wherever_it_is_made() {
    let _watchdog = Watchdog::new("metrics by mode");
    assert_eq!(counted(|| on_worker(2, calls())), expected(0));
    assert_eq!(counted(|| on_worker(2, cede::scope(calls()))), expected(0));
    let under = || on_worker(2, under_a_callback(calls()));
    assert_eq!(counted(under), expected(1));
    let under = || on_worker(2, under_a_callback(under_a_callback(calls())));
    assert_eq!(counted(under), expected(2));
    assert_eq!(counted(|| on_current_thread(calls())), expected(0));
    assert_eq!(counted(|| block_on(calls())), expected(0));
    let names: Vec<_> = cede::metrics().calls.iter().map(|(name, _)| name).collect();
    let words = "in_place long brief suspendable migratable thread_stack offloaded lane";
    assert_eq!(names.join(" "), words);
}
