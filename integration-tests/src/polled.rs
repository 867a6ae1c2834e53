//! A single poll.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Polls the future once, with the task's waker.
pub async fn polled<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx))).await
}
