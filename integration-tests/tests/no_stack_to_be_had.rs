//! When there is no address space for a C stack, the poll panics and says so, C has not run, and smaller calls go on.
//!
//! In a process of its own, for the limit is the process's.

use cede_integration_tests::{child, child_task, workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// More than the limit leaves room for.
const LARGE: usize = 1 << 30;

/// From here on the process gets half of `LARGE` more, and no more.
fn limit_address_space() {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    let bytes = pages * 4096 + LARGE as u64 / 2;
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: a valid limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

#[test]
fn the_poll_panics_and_c_has_not_run() {
    if child_task().is_none() {
        let outcome = child("the_poll_panics_and_c_has_not_run", "run");
        let (said, complained) = (&outcome.stdout, String::from_utf8_lossy(&outcome.stderr));
        assert!(outcome.status.success(), "{complained}");
        assert!(String::from_utf8_lossy(said).contains("C stacks were refused"));
        assert!(complained.contains(&format!("no C stack of {LARGE} bytes for call much (")));
        return;
    }
    let runtime = workers(1);
    let before = runtime.block_on(runtime.spawn(async { cede::call(|| 1).await }));
    assert_eq!(before.unwrap(), 1);
    limit_address_space();

    let ran = Arc::new(AtomicBool::new(false));
    for way in [false, true] {
        let ran = ran.clone();
        let call = cede::call(move || ran.store(true, Ordering::SeqCst));
        let call = call.named("much").stack_size(LARGE);
        let task = if way {
            runtime.spawn(call.suspendable())
        } else {
            runtime.spawn(call)
        };
        assert!(runtime.block_on(task).unwrap_err().is_panic());
    }
    assert!(!ran.load(Ordering::SeqCst));

    let after = runtime.spawn(async { cede::call(|| 2).stack_size(64 << 10).await });
    assert_eq!(runtime.block_on(after).unwrap(), 2);
    println!("C stacks were refused");
}
