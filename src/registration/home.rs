//! Where a registration was made, and so where its callbacks from foreign threads belong.

use crate::observe::{self, KeptSpan};
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, dispatcher};

/// The runtime, the span and the dispatcher that were current.
pub(super) struct Home {
    pub(super) runtime: Handle,
    /// Where the registration was made.
    pub(super) location: &'static Location<'static>,
    span: KeptSpan,
    /// `None` if there was none, which is not to hide one that comes later.
    dispatcher: Option<Dispatch>,
}

impl Home {
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub(super) fn here() -> Self {
        let dispatcher = dispatcher::get_default(Clone::clone);
        Self {
            runtime: Handle::current(),
            location: Location::caller(),
            span: KeptSpan::current(),
            dispatcher: (!dispatcher.is::<NoSubscriber>()).then_some(dispatcher),
        }
    }

    /// Runs `f` on a thread of C's as if it were at home.
    pub(super) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        // A thread whose locals are gone already, because C calls back while it ends, can enter nothing.
        let ends = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        let _runtime = (!ends).then(|| self.runtime.enter());
        let in_span = || {
            let _entered = observe::enter(&self.span);
            f()
        };
        match &self.dispatcher {
            Some(dispatcher) => dispatcher::with_default(dispatcher, in_span),
            None => in_span(),
        }
    }

    /// Runs a future as a task.
    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let future = within(self.span.clone(), future);
        match &self.dispatcher {
            Some(dispatcher) => {
                let future = future.with_subscriber(dispatcher.clone());
                self.runtime.spawn(future)
            }
            None => self.runtime.spawn(future),
        }
    }
}

/// A future that is polled, and dropped, in a span.
async fn within<F: Future>(span: KeptSpan, future: F) -> F::Output {
    // Dropped in the reverse order.
    let _exits = ExitsOnDrop(&span);
    let mut future = pin!(future);
    let _enters = EntersOnDrop(&span);
    poll_fn(|cx| {
        let _entered = observe::enter(&span);
        future.as_mut().poll(cx)
    })
    .await
}

struct EntersOnDrop<'a>(&'a KeptSpan);

impl Drop for EntersOnDrop<'_> {
    fn drop(&mut self) {
        std::mem::forget(observe::enter(self.0));
    }
}

struct ExitsOnDrop<'a>(&'a KeptSpan);

impl Drop for ExitsOnDrop<'_> {
    fn drop(&mut self) {
        observe::exit(self.0);
    }
}
