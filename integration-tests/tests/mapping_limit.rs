//! With guards by `mprotect` the kernel's limit on mappings is that of C stacks: a call beyond it panics, says so, and C has not
//! run. Those before it come to their end.
//!
//! In a process of its own, whose mappings are used up.

use cede::{Config, Guards};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{block_on, child, child_task, under_c};
use std::fs::read_to_string;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Above the usual limit nobody wants to wait for it.
const USUAL: usize = 65_530;

fn limit() -> usize {
    let limit = read_to_string("/proc/sys/vm/max_map_count").expect("Linux has it");
    limit.trim().parse().expect("a number")
}

fn uses_up_all_mappings() {
    let _watchdog = Watchdog::with_limit("all mappings", Duration::from_secs(300));
    Config::new().guards(Guards::Mprotect).install().unwrap();
    let (gate, ran) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let call = || {
        let (gate, ran) = (gate.clone(), ran.clone());
        let call = cede::call(move || {
            ran.fetch_add(1, SeqCst);
            under_c(|| cede::callback(async { gate.acquire().await.is_ok() }))
        });
        // SAFETY: the fixtures' C holds nothing of its thread's, and the closure owns what it uses.
        Box::pin(unsafe { call.named("one_too_many").stack_size(0).migratable() })
    };
    let mut waiting = Vec::with_capacity(limit());
    let payload = loop {
        let mut next = call();
        let poll = || next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(polled) => assert!(polled.is_pending()),
            Err(payload) => break payload,
        }
        waiting.push(next);
    };
    let message = payload.downcast_ref::<String>().expect("a message");
    for part in ["one_too_many", "vm.max_map_count", &limit().to_string()] {
        assert!(message.contains(part), "{part} is missing from: {message}");
    }
    assert_eq!(
        ran.load(SeqCst),
        waiting.len(),
        "beyond the limit C has not run"
    );
    let most = limit() / 2;
    assert!(waiting.len() > most - most / 10, "{} stacks", waiting.len());
    gate.add_permits(1);
    for call in waiting {
        assert_eq!(block_on(call), Ok(true));
    }
    assert_eq!(block_on(call()), Ok(true));
}

#[test]
fn beyond_it_a_call_panics_and_says_so() {
    if child_task().is_some() {
        return uses_up_all_mappings();
    }
    if limit() > USUAL {
        return eprintln!("skipped: this machine's limit is {}", limit());
    }
    let output = child("beyond_it_a_call_panics_and_says_so", "use up");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
}
