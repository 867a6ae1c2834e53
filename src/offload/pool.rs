//! tokio's blocking threads; outside of a runtime, a thread for the call.

use crate::lane::{Job, Place};
use std::sync::Arc;
use std::thread;
use tokio::runtime::Handle;

/// Has the job run on another thread, or discarded if there is none.
pub(super) fn run(job: Arc<dyn Job>) {
    let job = OnPool(Some(job));
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(|| job.run())),
        Err(_) => {
            let thread = thread::Builder::new().name("cede-offload".into());
            // Without a thread the closure is dropped, and the job discarded.
            let _ = thread.spawn(|| job.run());
        }
    }
}

/// Discards the job if it is dropped without having been run: by a runtime that shuts down.
struct OnPool(Option<Arc<dyn Job>>);

impl OnPool {
    fn run(mut self) {
        self.0
            .take()
            .into_iter()
            .for_each(|job| job.run(Place::none()));
    }
}

impl Drop for OnPool {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|job| job.discard());
    }
}
