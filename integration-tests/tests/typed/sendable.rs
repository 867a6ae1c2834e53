//! A sendable callback takes what it needs under C, and awaits on the task.

use super::once;
use cede::Callback;
use cede_integration_tests::on_worker;
use std::ffi::{CStr, c_char, c_int, c_void};
use tokio::sync::mpsc;

#[test]
fn the_closure_runs_under_c_and_its_future_on_the_task() {
    on_worker(1, async {
        let task = tokio::task::id();
        let mut address = 0;
        let callback = Callback::sendable(-1, |n: c_int| {
            address = (&raw const n).addr();
            async move { c_int::from(tokio::task::id() == task) }
        });
        let mut c_stack = 0;
        let call = cede::call(|| {
            c_stack = cede_fixtures::deep::local_address();
            once(callback.data_first(), callback.data(), 1)
        });
        assert_eq!(call.await, 1);
        assert!(address.abs_diff(c_stack) < 1 << 16, "near C's frames");
    });
}

/// What C passes is copied while it is there.
#[test]
fn arguments_become_owned_values() {
    unsafe extern "C" fn library(
        each: unsafe extern "C" fn(*const c_char, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int {
        [c"one", c"two"]
            .iter()
            // SAFETY: the contract of a callback is the caller's to keep.
            .map(|name| unsafe { each(name.as_ptr(), data) })
            .sum()
    }
    on_worker(1, async {
        let (send, mut receive) = mpsc::channel(1);
        let reader = tokio::spawn(async move {
            let mut names = Vec::new();
            while let Some(name) = receive.recv().await {
                names.push(name);
            }
            names
        });
        let each = Callback::sendable(-1, |name: *const c_char| {
            // SAFETY: C passes a string.
            let name = unsafe { CStr::from_ptr(name) }.to_owned();
            let send = send.clone();
            async move { send.send(name).await.map_or(-1, |()| 1) }
        });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { library(each.data_last(), each.data()) });
        assert_eq!(call.await, 2);
        drop(each);
        drop(send);
        assert_eq!(
            reader.await.unwrap(),
            [c"one".to_owned(), c"two".to_owned()]
        );
    });
}
