//! What happens seldom is counted as well: each once, and nothing else with it.

use cede::{Overflow, Refused, Registered, Reply};
use cede_fixtures::foreign;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{on_worker, polled, under_c, workers};
use std::ffi::c_int;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

/// Panics when it is dropped, unless that is while its thread unwinds.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("on purpose");
        }
    }
}

fn events_that_find_no_room() {
    let reply = Reply {
        taken: 0,
        refused: -1,
    };
    let (registered, events) =
        Registered::<fn(c_int) -> c_int>::stream(2, Overflow::Refuse, reply, |n: c_int| n);
    let (function, data) = (registered.data_first(), registered.data());
    let replies = [1, 2, 3, 4, 5].map(|n| function(data, n));
    assert_eq!(replies, [0, 0, -1, -1, -1]);
    assert_eq!(cede::metrics().dropped_events, 3);
    drop(events);
    assert_eq!(function(data, 6), -1);
    assert_eq!(cede::metrics().dropped_events, 4, "nobody will read it");
    assert_eq!(cede::metrics().late_callbacks, 0);
    drop(registered);
    assert_eq!(function(data, 7), -1);
    let seen = cede::metrics();
    assert_eq!((seen.late_callbacks, seen.refusals), (1, 1));
    assert_eq!((seen.dropped_events, seen.panics), (4, 0));
}

/// Calls back with a future that is never ready, and whose destructor panics.
fn asks() -> Result<(), Refused> {
    let captured = PanicsOnDrop;
    cede::callback(async move {
        let _captured = captured;
        pending().await
    })
}

/// Refused before it was polled; when a suspended call is dropped; and when an offloaded one is cancelled.
fn destructors_of_futures_that_panic() {
    let call = cede::call(|| {
        let first = under_c(|| cede::callback(async { panic!("on purpose") }));
        assert_eq!(first, Err::<(), _>(Refused::Panicked));
        assert_eq!(cede::metrics().panics, 1);
        assert_eq!(under_c(asks), Err(Refused::Panicked));
    });
    let before = cede::metrics().refusals;
    let outcome = catch_unwind(AssertUnwindSafe(|| on_worker(1, call)));
    assert!(outcome.is_err(), "raised when C has returned");
    let seen = cede::metrics();
    assert_eq!((seen.panics, seen.refusals), (2, before + 2));
    assert_eq!(seen.callbacks, 1, "the other was never polled");

    on_worker(1, async {
        // SAFETY: nothing under C is bound to a thread; the future is not forgotten.
        let mut call = Box::pin(unsafe { cede::call(|| under_c(asks)).migratable() });
        assert!(polled(call.as_mut()).await.is_pending());
        drop(call);
        assert_eq!(cede::metrics().panics, 3);
        let (canceller, mut call) = cede::offload(|| under_c(asks)).cancellable();
        while cede::metrics().callbacks_waited < 2 {
            assert!(polled(Pin::new(&mut call)).await.is_pending());
            tokio::task::yield_now().await;
        }
        canceller.cancel();
        let outcome = futures::FutureExt::catch_unwind(AssertUnwindSafe(call)).await;
        assert!(outcome.is_err(), "raised when C has returned");
        assert_eq!(cede::metrics().panics, 4);
    });

    // Outside of any call, where nobody could raise it.
    assert_eq!(asks(), Err(Refused::NoCall));
    assert_eq!(cede::metrics().panics, 5);
}

fn callbacks_from_outside_of_any_call() {
    let runtime = workers(1);
    let _inside = runtime.enter();
    let registered: Registered<fn(c_int) -> c_int> = Registered::new(-1, |n| async move { n });
    let before = cede::metrics();
    // SAFETY: the function may be called on any thread, with this data.
    let sum = unsafe { foreign::run(registered.data_first(), registered.data(), 2, 3) };
    assert_eq!(sum, 15);
    let seen = cede::metrics();
    assert_eq!(seen.foreign_callbacks - before.foreign_callbacks, 6);
    assert_eq!(seen.callbacks, before.callbacks);
}

fn threads_that_come_and_go() {
    let before = cede::metrics().standby_threads_ever;
    for n in 1..=3 {
        on_worker(1, async { cede::call(|| ()).await });
        assert_eq!(cede::metrics().standby_threads_ever - before, n);
    }
    assert!(eventually(|| cede::metrics().standby_threads == 0));
    assert_eq!(cede::metrics().standby_threads_ever - before, 3);
}

/// One test: it counts what the process does.
#[test]
fn each_is_counted_once() {
    let _watchdog = Watchdog::new("metrics of rare things");
    std::panic::set_hook(Box::new(|_| {}));
    events_that_find_no_room();
    destructors_of_futures_that_panic();
    callbacks_from_outside_of_any_call();
    threads_that_come_and_go();
}
