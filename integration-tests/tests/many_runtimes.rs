//! Runtimes may be many, and call each other: a callback may wait for tasks of another runtime whose calls call back in turn.

use cede_fixtures::plain::empty;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, later, on_worker, under_c, workers};
use futures::future::BoxFuture;
use std::sync::Arc;
use tokio::runtime::Handle;

/// From runtime to runtime, each time by a callback of a call.
fn hop(runtimes: Arc<Vec<Handle>>, at: usize, hops: usize) -> BoxFuture<'static, usize> {
    Box::pin(async move {
        if hops == 0 {
            return 0;
        }
        let mine = Handle::current().id();
        let next = (at + 1) % runtimes.len();
        let call = cede::call(|| {
            under_c(|| {
                cede::callback(async {
                    let task = runtimes[next].spawn(hop(runtimes.clone(), next, hops - 1));
                    let hops = task.await.unwrap();
                    assert_eq!(Handle::current().id(), mine, "the caller's own");
                    hops + 1
                })
            })
        });
        let hops = call.await.unwrap();
        assert_eq!(Handle::current().id(), mine);
        hops
    })
}

#[test]
fn in_a_ring() {
    let _watchdog = Watchdog::new("a ring of runtimes");
    let ring: Vec<_> = (0..8).map(|number| workers(1 + number % 2)).collect();
    let handles = Arc::new(
        ring.iter()
            .map(|runtime| runtime.handle().clone())
            .collect::<Vec<_>>(),
    );
    let tasks: Vec<_> = (0..ring.len())
        .map(|at| handles[at].spawn(hop(handles.clone(), at, 20)))
        .collect();
    for task in tasks {
        assert_eq!(futures::executor::block_on(task).unwrap(), 20);
    }
}

/// Each is dropped while the others go on.
#[test]
fn that_come_and_go() {
    let _watchdog = Watchdog::new("runtimes that come and go");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                for number in 0..20 {
                    let asks = move || under_c(|| cede::callback(async move { empty(number) }));
                    assert_eq!(on_worker(1, cede::call(asks)), Ok(number + 1));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// C, or a library under it, may have a runtime of its own.
#[test]
fn within_a_call() {
    let _watchdog = Watchdog::new("a runtime within a call");
    let inner = || {
        let asks = || {
            under_c(|| {
                cede::callback(async {
                    later().await;
                    empty(1)
                })
            })
        };
        let on_its_worker = on_worker(1, cede::call(asks));
        let there =
            std::thread::spawn(move || current_thread().block_on(cede::call(asks).suspendable()));
        (on_its_worker, there.join().unwrap())
    };
    workers(1).block_on(async move {
        let call =
            tokio::task::spawn_blocking(move || futures::executor::block_on(cede::call(inner)));
        assert_eq!(call.await.unwrap(), (Ok(2), Ok(2)));
    });
    assert_eq!(
        futures::executor::block_on(cede::call(inner)),
        (Ok(2), Ok(2))
    );
}
