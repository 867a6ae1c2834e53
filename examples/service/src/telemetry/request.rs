//! A request, as it is seen from outside: a span, a line in the log, some metrics.

use super::metrics::{DURATION, IN_FLIGHT, REQUESTS};
use crate::error::Error;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge, histogram};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tracing::Instrument;

/// The header that names a request, here and beyond.
const ID: &str = "x-request-id";

/// What stands in the metrics for the status of a request whose client did not wait. (nginx has it so.)
const GONE: u16 = 499;

/// Watches a request from its head to its answer, or to the moment in which its client goes.
pub(crate) async fn watch(request: Request, next: Next) -> Response {
    let id = id_of(&request);
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        None => String::from("none"),
    };
    let method = known(request.method());
    let span = tracing::info_span!("request", id, method, route);
    let mut watched = Watched::new(method, route);
    let answered = async move {
        let response = caught(next.run(request)).await;
        watched.is_answered_with(response.status());
        response
    };
    // Dropped in the span too.
    let mut response = answered.instrument(span).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(ID, id);
    }
    response
}

/// Turns a panic into an answer. Those of callbacks come here too, once C has returned.
async fn caught(answer: impl Future<Output = Response>) -> Response {
    let mut answer = pin!(answer);
    poll_fn(|cx| {
        // What has panicked is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Error::Internal.into_response()))
    })
    .await
}

/// The methods that there are: labels of metrics are not for clients to choose.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

/// Whoever asks may have named the request already.
fn id_of(request: &Request) -> String {
    let given = request.headers().get(ID).and_then(|id| id.to_str().ok());
    match given {
        Some(id) if (1..=64).contains(&id.len()) => id.to_owned(),
        _ => new_id(),
    }
}

/// Not to be met again: when the process began, its number, and a count.
fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static PROCESS: LazyLock<u64> = LazyLock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        (seconds << 24) ^ u64::from(process::id())
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{count}", *PROCESS)
}

/// A request that is not done with. Counted and logged when it is dropped.
struct Watched {
    method: &'static str,
    route: String,
    begun: Instant,
    /// None if the client has gone before.
    answer: Option<StatusCode>,
}

impl Watched {
    fn new(method: &'static str, route: String) -> Self {
        gauge!(IN_FLIGHT).increment(1);
        Self {
            method,
            route,
            begun: Instant::now(),
            answer: None,
        }
    }

    fn is_answered_with(&mut self, status: StatusCode) {
        self.answer = Some(status);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let status = self.answer.map_or(GONE, |status| status.as_u16());
        let (method, route) = (self.method, std::mem::take(&mut self.route));
        gauge!(IN_FLIGHT).decrement(1);
        histogram!(DURATION, "route" => route.clone()).record(took.as_secs_f64());
        counter!(REQUESTS, "method" => method, "route" => route, "status" => status.to_string())
            .increment(1);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match self.answer {
            Some(_) => tracing::info!(status, took_us, "answered"),
            None => tracing::info!(status, took_us, "the client has gone"),
        }
    }
}
