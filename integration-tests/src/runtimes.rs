//! The runtimes that a call may find itself on.

use std::future::Future;
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
