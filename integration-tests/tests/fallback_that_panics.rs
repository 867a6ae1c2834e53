//! A fallback that panics leaves nothing to give to C: the process ends, before C's frames are unwound.

use cede::{Callback, Refused};
use cede_fixtures::callback::call_once;
use cede_integration_tests::{child, child_task};
use std::ffi::c_int;
use std::os::unix::process::ExitStatusExt;

#[test]
fn ends_the_process() {
    if child_task().is_some() {
        let callback = Callback::new(
            |_: Refused| -> c_int { panic!("no fallback") },
            async |n: c_int| n,
        );
        // SAFETY: the callback is there until C has returned.
        unsafe { call_once(callback.data_first(), callback.data(), 1) };
        return;
    }
    let output = child("ends_the_process", "refused");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{stderr}");
    assert!(stderr.contains("no fallback"), "{stderr}");
}
