//! Wherever a task may run, its call is suspended, no thread waits, and C's result comes.

use crate::hands::{thread, wait};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{block_on, current_thread, under_c, workers};
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::channel;
use tokio::runtime::Runtime;
use tokio::sync::{Barrier, Notify};
use tokio::task::{LocalSet, spawn_local};

/// More than any runtime here has threads.
const CALLS: usize = 600;

/// So many calls are in C at once, each in its callback.
fn meets(barrier: Arc<Barrier>, n: usize) -> impl Future<Output = usize> + Send {
    let meets = move || {
        for _ in 0..2 {
            under_c(|| cede::callback(async { barrier.wait().await })).unwrap();
        }
        n
    };
    // SAFETY: the fixtures' C holds nothing of its thread's, and the closure owns what it uses.
    unsafe { cede::call(meets).stack_size(64 << 10).migratable() }
}

/// Spawns them all by `spawn`, and awaits them.
async fn all_meet<T>(spawn: impl Fn(usize, Arc<Barrier>) -> T)
where
    T: Future<Output = Result<usize, tokio::task::JoinError>>,
{
    let barrier = Arc::new(Barrier::new(CALLS));
    let tasks: Vec<_> = (0..CALLS).map(|n| spawn(n, barrier.clone())).collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), n);
    }
}

#[test]
fn in_tasks() {
    let _watchdog = Watchdog::new("tasks");
    for runtime in [workers(1), workers(2), workers(8), current_thread()] {
        runtime.block_on(all_meet(|n, barrier| tokio::spawn(meets(barrier, n))));
    }
}

#[test]
fn in_scopes() {
    let _watchdog = Watchdog::new("scopes");
    for runtime in [workers(1), workers(2), current_thread()] {
        runtime.block_on(all_meet(|n, barrier| cede::spawn(meets(barrier, n))));
    }
}

#[test]
fn in_local_sets() {
    let _watchdog = Watchdog::new("local sets");
    for runtime in [workers(1), current_thread()] {
        let meeting = all_meet(|n, barrier| spawn_local(meets(barrier, n)));
        LocalSet::new().block_on(&runtime, meeting);
    }
}

#[test]
fn in_one_task() {
    fn together() -> impl Future<Output = ()> + Send {
        let barrier = Arc::new(Barrier::new(CALLS));
        let calls = (0..CALLS).map(move |n| meets(barrier.clone(), n));
        let joined = futures::future::join_all(calls);
        async {
            let results = joined.await;
            assert!(results.into_iter().eq(0..CALLS));
        }
    }
    let _watchdog = Watchdog::new("one task");
    for runtime in [workers(2), current_thread()] {
        runtime.block_on(async { tokio::spawn(together()).await.unwrap() });
        runtime.block_on(async { cede::spawn(together()).await.unwrap() });
        runtime.block_on(together());
        runtime.block_on(cede::scope(together()));
    }
    block_on(together());
    futures::executor::block_on(together());
}

#[test]
fn brief_and_long_ones() {
    let _watchdog = Watchdog::new("brief and long");
    let call = |n: usize| {
        cede::call(move || {
            wait(3).unwrap();
            n
        })
    };
    for runtime in [workers(2), current_thread()] {
        runtime.block_on(async {
            for n in 0..20 {
                // SAFETY: as above.
                let brief = unsafe { call(n).brief().migratable() };
                // SAFETY: as above.
                let long = unsafe { call(n).migratable().long() };
                assert_eq!(tokio::spawn(brief).await.unwrap(), n);
                assert_eq!(tokio::spawn(long).await.unwrap(), n);
            }
        });
    }
}

/// One worker is kept busy for good: the one that the call was suspended on.
#[test]
fn another_worker_goes_on_where_one_was_suspended() {
    let _watchdog = Watchdog::new("another worker");
    let runtime: Runtime = workers(2);
    runtime.block_on(async {
        for _ in 0..20 {
            let (go_on, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (report, reports) = channel();
            let call = {
                let (go_on, told) = (go_on.clone(), told.clone());
                move || {
                    report.send(thread()).unwrap();
                    let waited = under_c(|| {
                        cede::callback(async {
                            told.notify_one();
                            go_on.notified().await;
                        })
                    });
                    report.send(thread()).unwrap();
                    waited
                }
            };
            // SAFETY: as above.
            let task = tokio::spawn(unsafe { cede::call(call).migratable() });
            told.notified().await;
            let first = reports.recv().unwrap();
            // Whoever takes the worker of the suspended call keeps it until that has ended elsewhere.
            let (end, ended) = channel::<()>();
            let ended = Arc::new(std::sync::Mutex::new(ended));
            loop {
                let (taken, takes) = tokio::sync::oneshot::channel();
                let ended = ended.clone();
                tokio::spawn(async move {
                    let is_there = thread() == first;
                    taken.send(is_there).unwrap();
                    if is_there {
                        let _end = ended.lock().unwrap().recv();
                    }
                });
                if takes.await.unwrap() {
                    break;
                }
            }
            go_on.notify_one();
            let second = reports.recv().unwrap();
            assert_ne!(first, second, "C has moved");
            drop(end);
            assert_eq!(task.await.unwrap(), Ok(()));
        }
    });
}
