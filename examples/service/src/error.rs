//! What a request can end with, other than well: a status, a word for programs, a sentence for people.

use crate::db;
use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request is not answered as it wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The request is not understood, and why.
    BadRequest(String),
    /// There is no such entry.
    NoEntry,
    /// There is no such path.
    NoRoute,
    /// The path is there, the method is not.
    NoMethod,
    /// The client took too long for its body.
    SlowClient,
    /// The body is too large.
    TooLarge,
    /// There are too many already, of these.
    Busy(&'static str),
    /// The service ends.
    ShuttingDown,
    /// It was not done in time. Of a write: it was not done at all.
    Deadline,
    /// The price service has failed, and how.
    Prices(String),
    /// Our own fault. What it was, the log says.
    Internal,
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoEntry | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy(_) | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Self::Prices(_) => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::NoEntry => "no_entry",
            Self::NoRoute => "no_route",
            Self::NoMethod => "no_method",
            Self::SlowClient => "slow_client",
            Self::TooLarge => "too_large",
            Self::Busy(_) => "busy",
            Self::ShuttingDown => "shutting_down",
            Self::Deadline => "deadline",
            Self::Prices(_) => "prices_failed",
            Self::Internal => "internal",
        }
    }

    fn message(self) -> String {
        match self {
            Self::BadRequest(why) | Self::Prices(why) => why,
            Self::NoEntry => "there is no such entry".into(),
            Self::NoRoute => "there is no such path".into(),
            Self::NoMethod => "there is no such method on this path".into(),
            Self::SlowClient => "the body did not come in time".into(),
            Self::TooLarge => "the body is too large".into(),
            Self::Busy(what) => format!("too many {what} at once: try again"),
            Self::ShuttingDown => "the service shuts down".into(),
            Self::Deadline => "it was not done in time".into(),
            Self::Internal => "it is our fault, and the log says what it was".into(),
        }
    }
}

/// What a client gets.
#[derive(Serialize)]
struct Body {
    error: Description,
}

#[derive(Serialize)]
struct Description {
    code: &'static str,
    message: String,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let error = Description {
            code: self.code(),
            message: self.message(),
        };
        let mut response = (status, Json(Body { error })).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // In seconds. What there is too much of here is gone sooner.
            let second = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, second);
        }
        response
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        if error.is_of_function() {
            return Self::Prices(error.to_string());
        }
        if error.is_busy() {
            return Self::Busy("writers of this database");
        }
        tracing::error!(%error, "the database has failed");
        Self::Internal
    }
}
