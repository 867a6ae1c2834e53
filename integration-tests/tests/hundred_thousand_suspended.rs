//! A hundred thousand calls wait in the midst of C at once, on two workers: for little more than a page each, few mappings and
//! no thread. Afterwards all of it goes back.
//!
//! One test: what is counted is the process's.

use cede_integration_tests::process::{Watchdog, eventually, resident_kib, threads};
use cede_integration_tests::{under_c, workers};
use std::fs::read_to_string;
use std::time::Duration;
use tokio::sync::watch;

const CALLS: usize = 100_000;
const STACK: usize = 64 << 10;

fn mappings() -> usize {
    let maps = read_to_string("/proc/self/maps").expect("Linux has it");
    maps.lines().count()
}

/// Whether the kernel makes guards that need no mapping of their own.
fn guards_need_no_mapping() -> bool {
    let release = read_to_string("/proc/sys/kernel/osrelease").expect("Linux has it");
    let mut numbers = release.split(['.', '-']).map(|n| n.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(13))
}

#[test]
fn they_take_a_page_each_and_give_it_back() {
    let _watchdog = Watchdog::with_limit("a hundred thousand calls", Duration::from_secs(300));
    if !guards_need_no_mapping() {
        return eprintln!("skipped: this kernel's guards take two mappings a stack");
    }
    let runtime = workers(2);
    // What comes with the first calls is not what is counted.
    runtime.block_on(async { tokio::spawn(cede::call(|| ())).await.unwrap() });
    let (resident, mapped, running) = (resident_kib(), mappings(), threads());
    runtime.block_on(async {
        let (open, opened) = watch::channel(false);
        let tasks: Vec<_> = (0..CALLS)
            .map(|n| {
                let mut opened = opened.clone();
                let call = cede::call(move || {
                    let waited = under_c(|| {
                        cede::callback(async { opened.wait_for(|open| *open).await.is_ok() })
                    });
                    assert_eq!(waited, Ok(true));
                    n
                });
                // SAFETY: the fixtures' C holds nothing of its thread's, and the closure owns what it uses.
                tokio::spawn(unsafe { call.stack_size(STACK).brief().migratable() })
            })
            .collect();
        while cede::metrics().suspended_calls < CALLS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(cede::metrics().stacks >= CALLS);
        let each = (resident_kib() - resident) * 1024 / CALLS as u64;
        // An unoptimised closure, task and C frame may take a second page.
        let limit = if cfg!(debug_assertions) {
            9 << 10
        } else {
            5 << 10
        };
        assert!(each <= limit, "{each} resident bytes a call");
        assert!(
            mappings() <= mapped + 100,
            "{} mappings, {mapped} before",
            mappings()
        );
        assert!(
            threads() <= running + 10,
            "{} threads, {running} before",
            threads()
        );
        open.send(true).unwrap();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n);
        }
    });
    let metrics = cede::metrics();
    assert_eq!(metrics.suspended_calls, 0);
    // What is kept for the next calls lies in the first slabs, and the others are gone.
    assert!(metrics.stacks < 200, "{} stacks", metrics.stacks);
    let slabs = metrics.stack_bytes_mapped;
    assert!(slabs < 64 << 20, "{slabs} bytes are mapped still");
    drop(runtime);
    assert!(eventually(|| resident_kib() < resident + (20 << 10)));
}
