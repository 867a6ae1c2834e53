//! Thousands of calls that are suspended again and again, on few workers and many, in no order, some of them given up.

use crate::hands::thread;
use cede::Refused;
use cede_fixtures::nest::Frames;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{later, under_nested_c, workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::task::yield_now;

const CALLS: u32 = 400;
const CALLBACKS: u32 = 25;

/// What a run has come to.
#[derive(Default)]
struct Seen {
    moved: AtomicUsize,
    frames: Frames,
}

/// Anything from nothing to a wait for another thread.
async fn waits(number: u32) -> u32 {
    match number % 5 {
        0 => (),
        1 | 2 => yield_now().await,
        3 => later().await,
        _ => tokio::time::sleep(Duration::from_micros(u64::from(number % 700))).await,
    }
    number
}

/// The sum of what the callbacks were told, or why C gave up.
fn in_c(seed: u32, seen: &Seen) -> Result<u32, Refused> {
    let (mut sum, mut refused) = (0, None);
    let mut on = thread();
    for n in 0..CALLBACKS {
        // A multiplicative generator's step: numbers without an order.
        let number = (seed * CALLBACKS + n).wrapping_mul(2_654_435_761) >> 16;
        let code = under_nested_c(&seen.frames, 3, || match cede::callback(waits(number)) {
            Ok(told) => {
                assert_eq!(told, number);
                sum += told;
                0
            }
            Err(why) => {
                refused = Some(why);
                -1
            }
        });
        if let Some(why) = refused {
            assert!(code < 0);
            return Err(why);
        }
        let now = thread();
        seen.moved
            .fetch_add(usize::from(now != std::mem::replace(&mut on, now)), SeqCst);
    }
    Ok(sum)
}

fn expected(seed: u32) -> u32 {
    let number = |n: u32| (seed * CALLBACKS + n).wrapping_mul(2_654_435_761) >> 16;
    (0..CALLBACKS).map(number).sum()
}

/// How often a call went on on another thread than before.
fn storm(count: usize, in_scopes: bool) -> usize {
    let seen = Arc::new(Seen::default());
    workers(count).block_on(async {
        let tasks: Vec<_> = (0..CALLS)
            .map(|seed| {
                let seen = seen.clone();
                let call = cede::call(move || in_c(seed, &seen));
                // SAFETY: the fixtures' C holds nothing of its thread's, and the closure owns what it uses.
                let call = unsafe { call.stack_size(256 << 10).migratable() };
                let task = async move {
                    if seed % 4 == 3 {
                        let limit = Duration::from_micros(u64::from(seed * 37 % 9000));
                        tokio::time::timeout(limit, call).await.ok()
                    } else {
                        Some(call.await)
                    }
                };
                if in_scopes {
                    cede::spawn(task)
                } else {
                    tokio::spawn(task)
                }
            })
            .collect();
        for (seed, task) in (0..).zip(tasks) {
            match task.await.unwrap() {
                Some(outcome) => assert_eq!(outcome, Ok(expected(seed))),
                None => assert_eq!(seed % 4, 3),
            }
        }
    });
    let Seen { moved, frames } = Arc::into_inner(seen).expect("every call has ended");
    assert_eq!(frames.entered.into_inner(), frames.left.into_inner());
    moved.into_inner()
}

#[test]
fn on_one_worker_or_more() {
    let _watchdog = Watchdog::new("storm");
    for in_scopes in [false, true] {
        storm(1, in_scopes);
        assert!(storm(2, in_scopes) > 0, "calls have moved");
        assert!(storm(8, in_scopes) > 0, "calls have moved");
    }
}
