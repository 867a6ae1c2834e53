//! The runtimes that the rows run on, and whether a task there holds its worker's core.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use tokio::runtime::{Builder, Runtime};

pub(crate) fn with_workers(workers: usize) -> Runtime {
    let built = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    built.expect("a runtime can be built")
}

/// Whether the calling task's worker has its core. tokio wakes a task that yields at once only
/// without one; with one it keeps the waker for later.
pub(crate) fn core_held() -> bool {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    let first = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
    assert!(first.is_pending());
    !flag.0.load(Ordering::Relaxed)
}
