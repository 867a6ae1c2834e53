//! What tokio offers works in a call, in a callback and in a scope as it does elsewhere, on the caller's runtime.

use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_worker, workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::{block_in_place, spawn_blocking, yield_now};

/// Everything at once, from within a task.
async fn tokio_works(runtime: tokio::runtime::Id) {
    assert_eq!(Handle::current().id(), runtime);
    assert_eq!(spawn_blocking(|| 7).await.unwrap(), 7);
    assert_eq!(tokio::spawn(async { 7 }).await.unwrap(), 7);
    assert_eq!(block_in_place(|| 7), 7);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let timed_out = tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>());
    assert!(timed_out.await.is_err());
    let mut set = tokio::task::JoinSet::new();
    (0..10).for_each(|n| drop(set.spawn(async move { n })));
    assert_eq!(set.join_all().await.into_iter().sum::<u32>(), 45);
    yield_now().await;
    assert_eq!(Handle::current().id(), runtime);
}

#[test]
fn in_a_callback() {
    let _watchdog = Watchdog::new("tokio in a callback");
    for workers in [1, 2] {
        on_worker(workers, async {
            let id = Handle::current().id();
            cede::call(|| cede::callback(tokio_works(id)))
                .await
                .unwrap();
            tokio_works(id).await;
        });
    }
}

#[test]
fn in_a_scope() {
    let _watchdog = Watchdog::new("tokio in a scope");
    for workers in [1, 2] {
        on_worker(
            workers,
            cede::scope(async {
                let id = Handle::current().id();
                for _ in 0..5 {
                    cede::call(|| ()).await;
                    tokio_works(id).await;
                    cede::call(|| cede::callback(tokio_works(id)))
                        .await
                        .unwrap();
                }
            }),
        );
    }
}

#[test]
fn in_the_closure_of_a_call() {
    let _watchdog = Watchdog::new("tokio in a closure");
    on_worker(1, async {
        let runtime = Handle::current().id();
        let (id, spawned, blocking, in_place) = cede::call(|| {
            let here = Handle::current();
            let spawned = tokio::spawn(async { 1 });
            let blocking = spawn_blocking(|| 2);
            let in_place = block_in_place(|| {
                here.block_on(async {
                    yield_now().await;
                    3
                })
            });
            (here.id(), spawned, blocking, in_place)
        })
        .await;
        assert_eq!(id, runtime);
        assert_eq!(
            (spawned.await.unwrap(), blocking.await.unwrap(), in_place),
            (1, 2, 3)
        );
        tokio_works(runtime).await;
    });
}

#[test]
fn on_the_threads_that_take_over() {
    let _watchdog = Watchdog::new("tokio on standby threads");
    on_worker(1, async {
        let runtime = Handle::current().id();
        let home = thread::current().id();
        let (gate, open) = std::sync::mpsc::channel::<()>();
        let other = tokio::spawn(async move {
            assert_ne!(thread::current().id(), home);
            tokio_works(runtime).await;
            cede::call(|| cede::callback(tokio_works(runtime)))
                .await
                .unwrap();
            drop(gate);
        });
        cede::call(move || open.recv().unwrap_err()).await;
        other.await.unwrap();
        tokio_works(runtime).await;
    });
}

#[test]
fn a_runtime_has_the_workers_that_it_was_given() {
    let _watchdog = Watchdog::new("workers");
    let runtime = workers(2);
    let gate = Arc::new(cede_fixtures::Gate::new());
    let crowd = Arc::new(cede_fixtures::Crowd::new());
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (gate, crowd) = (gate.clone(), crowd.clone());
            runtime.spawn(async move { cede::call(|| crowd.wait_at(&gate)).await })
        })
        .collect();
    assert!(crowd.await_inside(20, cede_integration_tests::PATIENCE));
    assert_eq!(runtime.metrics().num_workers(), 2);
    gate.open();
    runtime.block_on(async {
        for call in calls {
            call.await.unwrap();
        }
        // Workers are told apart by their index, whatever thread each runs on.
        for _ in 0..20 {
            let index = tokio::spawn(async {
                yield_now().await;
                tokio::runtime::worker_index()
            });
            assert!(index.await.unwrap().unwrap() < 2);
        }
    });
    assert_eq!(runtime.metrics().num_workers(), 2);
}

#[test]
fn task_locals_and_ids_are_the_callers() {
    tokio::task_local! { static WHO: u32; }
    let _watchdog = Watchdog::new("task-locals");
    let runtime = workers(2);
    let right = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let right = right.clone();
            runtime.spawn(WHO.scope(n, async move {
                let me = tokio::task::id();
                let seen = cede::call(|| {
                    cede::callback(async {
                        yield_now().await;
                        (WHO.get(), tokio::task::id())
                    })
                });
                if seen.await == Ok((n, me)) && WHO.get() == n && tokio::task::id() == me {
                    right.fetch_add(1, Ordering::SeqCst);
                }
            }))
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(right.load(Ordering::SeqCst), 50);
}
