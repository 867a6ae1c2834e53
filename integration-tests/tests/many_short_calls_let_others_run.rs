//! A task that makes many short calls in one go shares its worker with the others.

use cede_fixtures::time::spin_us;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const CALLS: u32 = 50_000;

/// 750 ms in C. Were a poll to take that long, the heartbeat would get to beat once or twice.
const ENOUGH: u32 = 50;

fn beats_during<F>(calls: F) -> u32
where
    F: Future<Output = ()> + Send + 'static,
{
    let _watchdog = Watchdog::new("many short calls");
    let runtime = workers(1);
    let over = Arc::new(AtomicBool::new(false));
    let is_over = over.clone();
    let beats = Arc::new(AtomicU32::new(0));
    let count = beats.clone();
    runtime.spawn(async move {
        while !is_over.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    runtime.block_on(runtime.spawn(calls)).unwrap();
    over.store(true, Ordering::SeqCst);
    let beats = beats.load(Ordering::SeqCst);
    println!("{beats} beats");
    beats
}

async fn make_calls() {
    for _ in 0..CALLS {
        cede::call(|| spin_us(15)).await;
    }
}

#[test]
fn that_each_cede_their_slot() {
    let beats = beats_during(make_calls());
    assert!(beats >= ENOUGH, "{beats} beats");
}

#[test]
fn that_do_not_cede() {
    let beats = beats_during(async {
        for _ in 0..CALLS {
            cede::call(|| spin_us(15)).brief().await;
        }
    });
    assert!(beats >= ENOUGH, "{beats} beats");
}

#[test]
fn in_a_scope() {
    let beats = beats_during(cede::scope(make_calls()));
    assert!(beats >= ENOUGH, "{beats} beats");
}

#[test]
fn that_do_not_cede_in_a_scope() {
    let beats = beats_during(cede::scope(async {
        for _ in 0..CALLS {
            cede::call(|| spin_us(15)).brief().await;
        }
    }));
    assert!(beats >= ENOUGH, "{beats} beats");
}
