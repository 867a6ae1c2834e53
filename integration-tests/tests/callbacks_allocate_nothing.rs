//! A callback allocates nothing, of whatever kind it is: what it needs is made with it.

use cede::Callback;
use cede_fixtures::callback::call_n;
use cede_integration_tests::{Counting, assert_counting, counted, on_worker};
use std::ffi::{c_int, c_long, c_void};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CALLBACKS: c_int = 1000;
const SUM: c_long = 499_500;

type Function = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

/// Has C call back a thousand times, and returns the allocations of the last hundred times that.
fn allocations(function: Function, data: *mut c_void) -> u64 {
    // SAFETY: the callback is there until this returns.
    let call_back = || assert_eq!(unsafe { call_n(function, data, CALLBACKS) }, SUM);
    call_back();
    counted(|| (0..100).for_each(|_| call_back())).1
}

#[test]
fn once_they_are_made() {
    assert_counting();
    on_worker(1, async {
        let mut calls = 0;
        let exclusive = Callback::new(-1, async |n: c_int| {
            calls += 1;
            n
        });
        let call = cede::call(|| allocations(exclusive.data_first(), exclusive.data()));
        assert_eq!(call.await, 0);
        assert_eq!(calls, 101 * CALLBACKS);
        let shared = Callback::shared(-1, async |n: c_int| n);
        let call = cede::call(|| allocations(shared.data_first(), shared.data()));
        assert_eq!(call.await, 0);
        let sendable = Callback::sendable(-1, |n: c_int| async move { n });
        let call = cede::call(|| allocations(sendable.data_first(), sendable.data()));
        assert_eq!(call.await, 0);
        let leaf = Callback::leaf(-1, |n: c_int| n);
        let call = cede::call(|| allocations(leaf.data_first(), leaf.data()));
        assert_eq!(call.await, 0);

        // The user data is nobody's, and an argument like any other.
        let bare = Callback::new(-1, async |_: *mut c_void, n: c_int| n);
        let call = cede::call(|| bare.bare(|f| allocations(f, std::ptr::null_mut())));
        assert_eq!(call.await, 0);
        let bare = Callback::leaf(-1, |_: *mut c_void, n: c_int| n);
        let call = cede::call(|| bare.bare(|f| allocations(f, std::ptr::null_mut())));
        assert_eq!(call.await, 0);
        // Nor is anything allocated to lend it once more in the same call.
        let lend = || bare.bare(|f| allocations(f, std::ptr::null_mut()));
        let call = cede::call(|| {
            lend();
            counted(lend).1
        });
        assert_eq!(call.await, 0);
    });
}

/// A callback that waits finds what it needs where the last one has left it.
#[test]
fn when_they_wait() {
    assert_counting();
    on_worker(1, async {
        let waits = Callback::new(-1, async |n: c_int| {
            let mut woken = false;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                match std::mem::replace(&mut woken, true) {
                    true => std::task::Poll::Ready(n),
                    false => std::task::Poll::Pending,
                }
            })
            .await
        });
        let call = cede::call(|| allocations(waits.data_first(), waits.data()));
        assert_eq!(call.await, 0);
    });
}
