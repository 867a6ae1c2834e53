//! The runtimes that a call may find itself on.

use crate::PATIENCE;
use cede_fixtures::{Crowd, Gate};
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// A multi-thread runtime with so many workers, timers and I/O on.
#[must_use]
pub fn workers(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

/// A current-thread runtime, timers and I/O on.
#[must_use]
pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs the future as a task on a worker of a runtime with so many.
pub fn on_worker<F>(count: usize, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let outcome = workers(count).block_on(async { tokio::spawn(future).await });
    match outcome {
        Ok(output) => output,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Runs the future on a current-thread runtime.
pub fn on_current_thread<F: Future>(future: F) -> F::Output {
    current_thread().block_on(future)
}

/// Has so many calls of tasks be in C at once, which takes retakes if there are fewer workers, and tells them to return. Those that
/// have not yet are inside.
///
/// # Panics
///
/// If they do not all get there.
pub fn calls_at_once(runtime: &Runtime, count: usize) -> Arc<Crowd> {
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    for _ in 0..count {
        let (gate, crowd) = (gate.clone(), crowd.clone());
        runtime.spawn(async move { cede::call(|| crowd.wait_at(&gate)).await });
    }
    assert!(crowd.await_inside(count, PATIENCE));
    gate.open();
    crowd
}
