//! Calls one after the other are not one long call, and what calls back all the time is not slow: not even where all of them lie
//! at the same address.

use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{Held, Warned, current_thread, on_worker, under_c};
use futures::executor::block_on;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A machine that does not let a thread run for so long makes any call slow.
const ATTEMPTS: usize = 3;

fn is_not_told_of(name: &str, run: impl Fn(Arc<AtomicBool>, &'static str) + Sync) {
    let _watchdog = Watchdog::new("short calls");
    let told: Vec<_> = (0..ATTEMPTS)
        .map(|attempt| told_of(format!("{name}, {attempt}"), &run))
        .take_while(|told| !told.is_empty())
        .collect();
    assert!(told.len() < ATTEMPTS, "{told:?}");
}

/// Runs until another call, which began later, was said to be slow. What was said of this one.
fn told_of(name: String, run: &(impl Fn(Arc<AtomicBool>, &'static str) + Sync)) -> Vec<String> {
    let other = Warned::of(Box::leak(format!("beside {name}").into_boxed_str()));
    let warned = Warned::of(Box::leak(name.into_boxed_str()));
    let (held, goes_on) = (&Held::new(), Arc::new(AtomicBool::new(true)));
    thread::scope(|scope| {
        let run = {
            let goes_on = goes_on.clone();
            scope.spawn(move || run(goes_on, warned.0))
        };
        scope.spawn(|| block_on(cede::call(|| held.wait()).named(other.0)));
        other.await_first("slow call");
        goes_on.store(false, Ordering::Relaxed);
        held.release();
        run.join().unwrap();
    });
    other.await_first("slow call has returned");
    warned.messages()
}

/// So long that nearly every look finds C.
fn some_c() {
    cede_fixtures::time::spin_us(500);
}

#[test]
fn brief_ones() {
    is_not_told_of("brief", |goes_on, name| {
        block_on(async {
            while goes_on.load(Ordering::Relaxed) {
                cede::call(some_c).named(name).brief().await;
            }
        });
    });
}

/// So many that they do not ask.
#[test]
fn brief_ones_of_nothing() {
    is_not_told_of("brief, of nothing", |goes_on, name| {
        block_on(async {
            while goes_on.load(Ordering::Relaxed) {
                cede::call(|| ()).named(name).brief().await;
            }
        });
    });
}

#[test]
fn without_a_frame() {
    is_not_told_of("without a frame", |goes_on, name| {
        block_on(async {
            while goes_on.load(Ordering::Relaxed) {
                cede::call(some_c).named(name).await;
            }
        });
    });
}

#[test]
fn in_a_scope() {
    is_not_told_of("in a scope", |goes_on, name| {
        on_worker(
            1,
            cede::scope(async move {
                while goes_on.load(Ordering::Relaxed) {
                    cede::call(some_c).named(name).await;
                }
            }),
        );
    });
}

/// Calls that C makes on the spot, within one that is marked once.
#[test]
fn on_the_spot() {
    is_not_told_of("on the spot", |goes_on, name| {
        on_worker(1, async move {
            cede::call(|| {
                block_on(async {
                    while goes_on.load(Ordering::Relaxed) {
                        cede::call(some_c).named(name).await;
                    }
                });
            })
            .await;
        });
    });
}

#[test]
fn that_could_be_suspended() {
    is_not_told_of("suspendable", |goes_on, name| {
        current_thread().block_on(async {
            while goes_on.load(Ordering::Relaxed) {
                cede::call(some_c).named(name).suspendable().await;
            }
        });
    });
}

/// One call, whose C calls back all the time.
fn calls_back(goes_on: &AtomicBool) {
    while goes_on.load(Ordering::Relaxed) {
        some_c();
        under_c(|| cede::callback(async {})).unwrap();
    }
}

#[test]
fn that_calls_back_in_a_frame() {
    is_not_told_of("calls back", |goes_on, name| {
        on_worker(1, async move {
            cede::call(|| calls_back(&goes_on)).named(name).await;
        });
    });
}

#[test]
fn that_calls_back_without_a_frame() {
    is_not_told_of("calls back, without a frame", |goes_on, name| {
        block_on(cede::call(|| calls_back(&goes_on)).named(name));
    });
}

#[test]
fn that_is_brief_and_calls_back() {
    is_not_told_of("brief, calls back", |goes_on, name| {
        on_worker(1, async move {
            cede::call(|| calls_back(&goes_on))
                .named(name)
                .brief()
                .await;
        });
    });
}

#[test]
fn that_is_offloaded_and_calls_back() {
    is_not_told_of("offloaded, calls back", |goes_on, name| {
        on_worker(2, async move {
            cede::offload(move || calls_back(&goes_on))
                .named(name)
                .await;
        });
    });
}
