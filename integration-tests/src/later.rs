//! Waiting that really waits.

/// Is ready when another thread has had its turn.
///
/// `yield_now` is ready the second time it is polled, which a callback does before it parks.
///
/// # Panics
///
/// Outside of a runtime.
pub async fn later() {
    let turn = tokio::task::spawn_blocking(|| ());
    turn.await.expect("nothing that could panic");
}
