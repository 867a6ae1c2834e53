//! Streams of events, the reader's side.

use super::events::Shared;
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::task::coop;

/// The events that C has noted. Made by [`Registered::stream`](crate::Registered::stream), which says what it does.
///
/// A [`futures_core::Stream`]. To read it by [`recv`](Self::recv) takes no other crate.
#[must_use = "C is refused when nobody reads"]
pub struct Events<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Events<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    /// The next event, or `None` if there will be no other.
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Events that were dropped for want of room, so far. With those that were read, and those that wait, these are all
    /// that C has offered.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // A reader that always finds something must let others run all the same.
        let budget = ready!(coop::poll_proceed(cx));
        let shared = &*self.shared;
        let mut next = shared.queue.pop();
        if next.is_none() {
            shared.line.wait(cx.waker());
            // Before the queue: what was put in before the end is there to be found.
            let ended = shared.ended.load(Ordering::Acquire);
            next = shared.queue.pop();
            if next.is_none() && !ended {
                return Poll::Pending;
            }
            shared.line.quiet();
        }
        budget.made_progress();
        Poll::Ready(next)
    }
}

impl<T> Stream for Events<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.shared.queue.len(), None)
    }
}

impl<T> Drop for Events<T> {
    fn drop(&mut self) {
        let shared = &*self.shared;
        shared.deaf.store(true, Ordering::Relaxed);
        shared.line.hang_up();
        // Here, not on a thread of C's. What is put in meanwhile goes with the registration.
        while shared.queue.pop().is_some() {}
    }
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("waiting", &self.shared.queue.len())
            .field("dropped", &self.dropped())
            .finish()
    }
}
