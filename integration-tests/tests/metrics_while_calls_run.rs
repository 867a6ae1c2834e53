//! A look at a thread in the midst of calls shows none that was not made, however it goes to C and comes back.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often C calls back, while somebody looks. The moments that matter are a few instructions long.
const CALLBACKS: u32 = 100_000;

fn calls_back() {
    for _ in 0..CALLBACKS {
        cede::callback(async {}).unwrap();
    }
}

/// Makes calls, of which none is in place, and looks all the while.
fn no_call_in_place_is_seen_of(calls: impl Future<Output = ()> + Send + 'static) {
    let is_over = Arc::new(AtomicBool::new(false));
    let watched = is_over.clone();
    let watch = thread::spawn(move || {
        let mut most = 0;
        while !watched.load(Ordering::Relaxed) {
            most = most.max(cede::metrics().calls.in_place);
        }
        most
    });
    on_worker(1, calls);
    is_over.store(true, Ordering::Relaxed);
    assert_eq!(watch.join().unwrap(), 0);
    assert_eq!(cede::metrics().calls.in_place, 0);
}

/// One test: it counts what the process does.
#[test]
fn none_is_seen_that_was_not_made() {
    let _watchdog = Watchdog::with_limit("metrics while calls run", Duration::from_secs(120));
    no_call_in_place_is_seen_of(async { cede::call(calls_back).long().await });
    // SAFETY: nothing of C's frames is bound to a thread; the call is not forgotten.
    no_call_in_place_is_seen_of(async { unsafe { cede::call(calls_back).migratable() }.await });
    no_call_in_place_is_seen_of(async {
        for _ in 0..CALLBACKS / 10 {
            cede::call(|| ()).long().await;
            cede::call(|| ()).on_thread_stack().await;
        }
    });
    no_call_in_place_is_seen_of(cede::scope(async {
        for _ in 0..CALLBACKS {
            cede::call(|| ()).brief().await;
        }
    }));
    let seen = cede::metrics();
    assert_eq!(seen.callbacks, 2 * u64::from(CALLBACKS));
}
