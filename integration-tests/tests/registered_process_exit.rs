//! A process exits though threads of C's wait for callbacks, and more of them arrive.

use cede::Registered;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{child, child_task, workers};
use std::ffi::c_int;
use std::future::pending;
use std::mem::forget;
use std::process::exit;
use std::thread;

#[test]
fn exits() {
    match child_task().as_deref() {
        Some("exit") => {
            leave_threads_waiting();
            exit(7);
        }
        Some("return") => leave_threads_waiting(),
        _ => {
            let _watchdog = Watchdog::new("process exit");
            assert_eq!(child("exits", "exit").status.code(), Some(7));
            assert!(child("exits", "return").status.success());
        }
    }
}

/// The runtime is still there when the process exits.
fn leave_threads_waiting() {
    let runtime = workers(2);
    let _inside = runtime.enter();
    let registered = Registered::new(-1, |n: c_int| async move {
        if n > 0 { n } else { pending().await }
    });
    let (function, data) = (registered.data_first(), registered.data().addr());
    for _ in 0..4 {
        thread::spawn(move || function(std::ptr::without_provenance_mut(data), 0));
        thread::spawn(move || while function(std::ptr::without_provenance_mut(data), 1) == 1 {});
    }
    assert!(eventually(|| registered.in_flight() >= 4));
    forget(registered);
    drop(_inside);
    forget(runtime);
}
