//! What goes with a call to the thread that is in C: the subscriber and the span of the task that made it.

use tracing::Span;
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;

pub(super) struct Carried {
    dispatch: Dispatch,
    span: Span,
}

impl Carried {
    /// Those of the calling thread, now. `None` if there is no subscriber anywhere.
    pub(super) fn current() -> Option<Self> {
        (LevelFilter::current() != LevelFilter::OFF).then(|| Self {
            dispatch: dispatcher::get_default(Dispatch::clone),
            span: Span::current(),
        })
    }

    /// Runs `f` with them.
    pub(super) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, || self.span.in_scope(f))
    }
}
