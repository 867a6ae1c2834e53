//! A price service of our own, on a port of this machine: so that one command starts all there is.

use super::Price;
use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use std::time::Duration;
use tokio::time::sleep;

/// The service. It takes its time for every answer.
pub(crate) fn service(delay: Duration) -> Router {
    Router::new()
        .route("/prices/{key}", get(price))
        .with_state(delay)
}

async fn price(State(delay): State<Duration>, Path(key): Path<String>) -> Json<Price> {
    sleep(delay).await;
    Json(Price {
        price: price_of(&key),
    })
}

/// From 1 to 100, and the same for the same key always.
fn price_of(key: &str) -> u32 {
    key.bytes().map(u32::from).sum::<u32>() % 100 + 1
}
