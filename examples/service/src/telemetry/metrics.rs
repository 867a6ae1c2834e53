//! Metrics, in Prometheus' text format.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `http_requests_total` | counter | `method`, `route`, `status` (499: the client has gone) |
//! | `http_request_duration_seconds` | histogram | `route` |
//! | `http_requests_in_flight` | gauge | |
//! | `db_connections_in_use` | gauge | `pool` |
//! | `db_requests_waiting` | gauge | `pool` |
//! | `cede_…` | | what C does, the line before the writer included: see [`cede::publish_metrics`] |

use crate::app::App;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::Arc;

pub(crate) const REQUESTS: &str = "http_requests_total";
pub(crate) const DURATION: &str = "http_request_duration_seconds";
pub(crate) const IN_FLIGHT: &str = "http_requests_in_flight";
const IN_USE: &str = "db_connections_in_use";
const WAITING: &str = "db_requests_waiting";

/// From half a millisecond to ten seconds.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Makes the process's metrics Prometheus'. Once a process.
///
/// # Errors
///
/// If they are somebody else's already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &BUCKETS)?;
    let handle = builder.install_recorder()?;
    describe_counter!(REQUESTS, "Requests that are done with.");
    describe_histogram!(DURATION, Unit::Seconds, "How long requests took.");
    describe_gauge!(IN_FLIGHT, "Requests that are not done with.");
    describe_gauge!(IN_USE, "Connections to the database that are in use.");
    describe_gauge!(WAITING, "Requests that wait for a connection.");
    Ok(handle)
}

/// `GET /metrics`
pub(crate) async fn render(State(app): State<Arc<App>>) -> impl IntoResponse {
    for pool in app.pools() {
        let (used, waiting) = pool.load();
        gauge!(IN_USE, "pool" => pool.name()).set(used as f64);
        gauge!(WAITING, "pool" => pool.name()).set(waiting as f64);
    }
    cede::publish_metrics();
    let format = "text/plain; version=0.0.4";
    ([(CONTENT_TYPE, format)], app.prometheus.render())
}
