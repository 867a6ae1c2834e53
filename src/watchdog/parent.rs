//! What an event about a call belongs to, where that is not what the speaking thread is in.

use crate::observe::KeptSpan;
use crate::panic::{caught, discard};
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::{Id, Span};

/// A subscriber and a span.
pub(crate) struct Parent(Option<(Dispatch, Span)>);

impl Parent {
    pub(crate) fn new(dispatch: &Dispatch, span: &Span) -> Self {
        let cloned = caught(|| (dispatch.clone(), span.clone()));
        Self(cloned.map_err(discard).ok())
    }

    /// A span, with its subscriber. `None` if it has none.
    pub(crate) fn of(span: &Span) -> Option<Self> {
        span.with_subscriber(|(_, dispatch)| Self::new(dispatch, span))
    }

    /// Those of the calling thread. `None` if there is no subscriber anywhere.
    pub(crate) fn current() -> Option<Self> {
        (LevelFilter::current() != LevelFilter::OFF).then(|| {
            let span = KeptSpan::current();
            dispatcher::get_default(|dispatch| Self::new(dispatch, &span))
        })
    }

    /// Runs `f` with the subscriber, and tells it the span: not entered, for it is not the speaker who is busy in it.
    pub(super) fn lend<R>(&self, f: impl FnOnce(Option<Id>) -> R) -> R {
        match &self.0 {
            None => f(None),
            Some((dispatch, span)) => dispatcher::with_default(dispatch, || f(span.id())),
        }
    }
}

impl Drop for Parent {
    /// A subscriber may be told of the end of a span, and is a stranger's code.
    fn drop(&mut self) {
        let parent = self.0.take();
        caught(|| drop(parent)).unwrap_or_else(discard);
    }
}
