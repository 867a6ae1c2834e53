//! Where a callback cannot run, C gets the fallback: a value, or what a function makes of the reason.

use super::once;
use cede::{Callback, Refused};
use cede_integration_tests::{on_current_thread, on_worker};
use futures::FutureExt;
use std::ffi::{c_int, c_void};
use std::future::pending;

#[test]
fn outside_of_a_call() {
    let mut entered = false;
    let value = Callback::new(-5, async |n: c_int| {
        entered = true;
        n
    });
    assert_eq!(once(value.data_first(), value.data(), 1), -5);
    drop(value);
    assert!(!entered);

    let reason = |why: Refused| if why == Refused::NoCall { -6 } else { -7 };
    let function = Callback::shared(reason, async |n: c_int| n);
    assert_eq!(once(function.data_first(), function.data(), 1), -6);
    let mut made = false;
    let sendable = Callback::sendable(reason, |n: c_int| {
        made = true;
        std::future::ready(n)
    });
    assert_eq!(once(sendable.data_first(), sendable.data(), 1), -6);
    drop(sendable);
    assert!(!made);
}

#[test]
fn a_fallback_that_is_a_pointer() {
    let finds = Callback::new(std::ptr::null_mut::<c_void>(), async |n: c_int| {
        n as *mut c_void
    });
    let function: unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void = finds.data_first();
    // SAFETY: the callback is there.
    assert!(unsafe { function(finds.data(), 1) }.is_null());
}

/// As C wants it that has a place for its error among the arguments.
#[test]
fn a_fallback_that_is_a_function_of_the_arguments() {
    let fails = |why: Refused, (n, error): (c_int, *mut c_int)| {
        // SAFETY: whoever calls has a place for it.
        unsafe { *error = n + c_int::from(why == Refused::NoCall) };
    };
    let callback = Callback::new(fails, async |_: c_int, _: *mut c_int| ());
    let mut error = 0;
    // SAFETY: the callback is there, and so is the error.
    unsafe { callback.data_first()(callback.data(), 5, &mut error) };
    assert_eq!(error, 6);
    let late = callback.bare(|function| function);
    // SAFETY: as above.
    unsafe { late(7, &mut error) };
    assert_eq!(error, 7);
}

/// While the call that it is meant for goes on elsewhere; nothing of the closure is touched.
#[test]
fn on_a_thread_that_makes_no_call() {
    on_worker(1, async {
        let mut entered = 0;
        let callback = Callback::new(
            |why: Refused| if why == Refused::NoCall { -6 } else { -7 },
            async |n: c_int| {
                entered += 1;
                n
            },
        );
        let call = cede::call(|| {
            let stranger = || once(callback.data_first(), callback.data(), 1);
            let strangers = std::thread::scope(|scope| scope.spawn(stranger).join().unwrap());
            (strangers, once(callback.data_first(), callback.data(), 1))
        });
        assert_eq!(call.await, (-6, 1));
        assert_eq!(entered, 1);
    });
}

#[test]
fn where_to_wait_would_starve() {
    on_current_thread(async {
        let waits = Callback::new(
            |why: Refused| if why == Refused::WouldStarve { -8 } else { -9 },
            async |_: c_int| pending::<c_int>().await,
        );
        let call = cede::call(|| once(waits.data_first(), waits.data(), 1));
        assert_eq!(call.await, -8);
    });
}

#[test]
fn when_the_call_is_cancelled() {
    on_current_thread(async {
        let (report, reports) = std::sync::mpsc::channel();
        let waits = Callback::new(
            |why: Refused| if why == Refused::Cancelled { -2 } else { -1 },
            async |_: c_int| pending::<c_int>().await,
        );
        let call = cede::call(move || {
            let answer = || once(waits.data_first(), waits.data(), 1);
            report.send([answer(), answer()]).unwrap();
        });
        let mut call = Box::pin(call.suspendable());
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        assert_eq!(reports.try_recv(), Ok([-2, -2]));
    });
}

/// So that C can clean up.
#[test]
fn a_leaf_of_a_cancelled_call_runs() {
    on_current_thread(async {
        let (report, reports) = std::sync::mpsc::channel();
        let waits = Callback::new(-1, async |_: c_int| pending::<c_int>().await);
        let leaf = Callback::leaf(-1, |n: c_int| n);
        let call = cede::call(move || {
            let waited = once(waits.data_first(), waits.data(), 1);
            report
                .send((waited, once(leaf.data_first(), leaf.data(), 1)))
                .unwrap();
        });
        let mut call = Box::pin(call.suspendable());
        assert!((&mut call).now_or_never().is_none());
        drop(call);
        assert_eq!(reports.try_recv(), Ok((-1, 1)));
    });
}
