//! Which path is answered by what.

use crate::app::App;
use crate::entries::{self, Rank};
use crate::error::Error;
use crate::extract::Parameters;
use crate::{admission, kv, telemetry};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use cede::FutureExt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

type Shared = State<Arc<App>>;

/// All paths. What is under `admitted` is refused when there are too many requests; what an operator asks is not.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let short = Router::new()
        .route("/kv", get(kv::list).post(kv::put_all))
        .route("/kv/{key}", get(kv::get).put(kv::put).delete(kv::delete))
        .layer(from_fn(ceding));
    let admitted = Router::new()
        .merge(short)
        .route("/kv/{key}/worth", get(kv::worth))
        .route("/reports/ranks", get(ranks))
        .route("/reports/worth", get(worth))
        .layer(from_fn_with_state(app.clone(), admission::admit));
    Router::new()
        .merge(admitted)
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(telemetry::metrics::render))
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async || Error::NoMethod)
        .layer(from_fn(telemetry::request::watch))
        .with_state(app)
}

/// The calls of a request share what it costs to cede.
async fn ceding(request: Request, next: Next) -> Response {
    next.run(request).ceding().await
}

/// `GET /live`
async fn live() -> &'static str {
    "alive\n"
}

/// `GET /ready`: whether a query can be answered.
async fn ready(State(app): Shared) -> Result<&'static str, Error> {
    let mut db = app.readers.get_within(app.config.deadline).await?;
    cede::call(|| entries::get(&mut db, ""))
        .named("ready")
        .await?;
    Ok("ready\n")
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    prefix: String,
    deadline_ms: Option<u64>,
}

impl Report {
    fn deadline(&self) -> Option<Duration> {
        self.deadline_ms.map(Duration::from_millis)
    }
}

/// `GET /reports/ranks?prefix=…&deadline_ms=…`: SQLite computes.
async fn ranks(
    State(app): Shared,
    Parameters(report): Parameters<Report>,
) -> Result<Json<Vec<Rank>>, Error> {
    let deadline = report.deadline();
    let ranks = app.reports.run("report_ranks", deadline, move |db| {
        entries::ranks(db, &report.prefix)
    });
    Ok(Json(ranks.await?))
}

#[derive(Serialize)]
struct Worth {
    worth: i64,
    entries: i64,
}

/// `GET /reports/worth?prefix=…&deadline_ms=…`: SQLite asks the price service for each entry.
async fn worth(
    State(app): Shared,
    Parameters(report): Parameters<Report>,
) -> Result<Json<Worth>, Error> {
    let deadline = report.deadline();
    let worth = app.priced_reports.run("report_worth", deadline, move |db| {
        entries::worth_of_all(db, &report.prefix)
    });
    let (worth, entries) = worth.await?;
    Ok(Json(Worth { worth, entries }))
}
