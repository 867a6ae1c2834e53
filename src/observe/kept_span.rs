//! A span that is kept for later.

use crate::panic::{caught, discard};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use tracing::Span;

/// A span that is kept for later. A subscriber is told when it is cloned and when it is dropped, wherever that is: under C, in a
/// drop, in the midst of a panic. What it panics with ends here.
pub(crate) struct KeptSpan(ManuallyDrop<Span>);

impl KeptSpan {
    pub(crate) fn new(span: Span) -> Self {
        Self(ManuallyDrop::new(span))
    }

    /// The calling thread's, or none.
    pub(crate) fn current() -> Self {
        Self::or_none(Span::current)
    }

    fn or_none(span: impl FnOnce() -> Span) -> Self {
        Self::new(caught(span).unwrap_or_else(|payload| {
            discard(payload);
            Span::none()
        }))
    }
}

impl Clone for KeptSpan {
    fn clone(&self) -> Self {
        Self::or_none(|| Span::clone(self))
    }
}

impl Deref for KeptSpan {
    type Target = Span;

    fn deref(&self) -> &Span {
        &self.0
    }
}

impl Drop for KeptSpan {
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let span = unsafe { ManuallyDrop::take(&mut self.0) };
        caught(|| drop(span)).unwrap_or_else(discard);
    }
}
