//! A runtime that ends refuses the threads of C that wait for it; none of them hangs.

use cede::Registered;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{current_thread, workers};
use std::ffi::c_int;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::Runtime;

const THREADS: usize = 8;

struct Waiting {
    registered: Registered<fn(c_int) -> c_int>,
    begun: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<c_int>>,
}

/// Threads of C's that wait for callbacks which never end.
fn waiting(runtime: &Runtime) -> Waiting {
    let _inside = runtime.enter();
    let begun = Arc::new(AtomicUsize::new(0));
    let registered = Registered::new(-1, {
        let begun = begun.clone();
        move |_: c_int| {
            let begun = begun.clone();
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                pending().await
            }
        }
    });
    let (function, data) = (registered.data_first(), registered.data().addr());
    let c = move || function(std::ptr::without_provenance_mut(data), 1);
    Waiting {
        registered,
        begun,
        threads: (0..THREADS).map(|_| thread::spawn(c)).collect(),
    }
}

impl Waiting {
    fn all_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst) == THREADS
    }

    fn are_refused(self) {
        for thread in self.threads {
            assert_eq!(thread.join().unwrap(), -1);
        }
        assert_eq!(self.registered.in_flight(), 0);
        // And so is whoever comes later.
        let (function, data) = (self.registered.data_first(), self.registered.data().addr());
        let late = thread::spawn(move || function(std::ptr::without_provenance_mut(data), 1));
        assert_eq!(late.join().unwrap(), -1);
    }
}

#[test]
fn by_drop() {
    let _watchdog = Watchdog::new("drop");
    let runtime = workers(2);
    let waiting = waiting(&runtime);
    assert!(eventually(|| waiting.all_begun()));
    drop(runtime);
    waiting.are_refused();
}

#[test]
fn by_shutdown_timeout() {
    let _watchdog = Watchdog::new("shutdown_timeout");
    let runtime = workers(2);
    let waiting = waiting(&runtime);
    assert!(eventually(|| waiting.all_begun()));
    runtime.shutdown_timeout(Duration::from_millis(10));
    waiting.are_refused();
}

#[test]
fn by_shutdown_background() {
    let _watchdog = Watchdog::new("shutdown_background");
    let runtime = workers(2);
    let waiting = waiting(&runtime);
    assert!(eventually(|| waiting.all_begun()));
    runtime.shutdown_background();
    waiting.are_refused();
}

#[test]
fn of_a_current_thread_runtime_that_was_driven() {
    let _watchdog = Watchdog::new("current-thread, driven");
    let runtime = current_thread();
    let waiting = waiting(&runtime);
    runtime.block_on(async {
        while !waiting.all_begun() {
            tokio::task::yield_now().await;
        }
    });
    drop(runtime);
    waiting.are_refused();
}

#[test]
fn of_a_current_thread_runtime_that_never_was() {
    let _watchdog = Watchdog::new("current-thread, idle");
    let runtime = current_thread();
    let waiting = waiting(&runtime);
    assert!(eventually(|| waiting.registered.in_flight() == THREADS));
    drop(runtime);
    waiting.are_refused();
}

/// Callbacks arrive all the while.
#[test]
fn amid_callbacks() {
    let _watchdog = Watchdog::new("amid callbacks");
    for round in 0..30 {
        let runtime = workers(2);
        let registered = {
            let _inside = runtime.enter();
            Registered::new(-1, |n: c_int| async move {
                tokio::task::yield_now().await;
                n
            })
        };
        let (function, data) = (registered.data_first(), registered.data().addr());
        let answered = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let answered = answered.clone();
                thread::spawn(move || {
                    while function(std::ptr::without_provenance_mut(data), 1) == 1 {
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        assert!(eventually(|| answered.load(Ordering::SeqCst) > 20));
        match round % 3 {
            0 => drop(runtime),
            1 => runtime.shutdown_timeout(Duration::from_secs(10)),
            _ => runtime.shutdown_background(),
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
