//! Waiting that really waits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::mpsc;

/// Is ready when another thread has had its turn, and not at its first poll.
///
/// `yield_now` is ready the second time it is polled, which a callback does before it parks.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn later() {
    let (polled, is_polled) = mpsc::channel();
    let turn = tokio::task::spawn_blocking(move || is_polled.recv());
    let mut turn = pin!(turn);
    let turn = poll_fn(|cx| {
        let turn = turn.as_mut().poll(cx);
        // The thread is gone by the last time.
        let _gone = polled.send(());
        turn
    });
    let told = turn.await.expect("nothing that could panic");
    told.expect("it was polled");
}
