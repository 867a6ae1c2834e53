//! What things cost: another service knows, over HTTP. SQL asks it with the function `price`.

pub(crate) mod stub;

use crate::db::{Connection, Error, Failure};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tracing::Instrument;

/// An answer is a number. What is longer is none.
const LONGEST_ANSWER: usize = 1024;

/// The service's answer.
#[derive(Debug, Serialize, Deserialize)]
struct Price {
    price: u32,
}

/// A client of the price service. Clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Prices(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client<HttpConnector, Body>,
    service: SocketAddr,
    deadline: Duration,
}

impl Prices {
    pub(crate) fn new(service: SocketAddr, deadline: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build_http();
        Self(Arc::new(Shared {
            client,
            service,
            deadline,
        }))
    }

    /// Defines the SQL function `price(key)` on a connection.
    ///
    /// A call in place cannot be cancelled before C has returned, and C does not return before its callback does. It does within the
    /// deadline, which every future that C waits for should have.
    pub(crate) fn define(&self, db: &mut Connection) -> Result<(), Error> {
        let prices = self.clone();
        db.define(c"price", move |key| {
            let prices = prices.clone();
            async move {
                let span = tracing::debug_span!("price", key);
                let asked = timeout(prices.0.deadline, prices.ask(&key)).instrument(span);
                let answer = asked
                    .await
                    .unwrap_or_else(|_| Err("no answer in time".into()));
                answer.map_err(|why| Failure(format!("the price service has failed: {why}")))
            }
        })
    }

    async fn ask(&self, key: &str) -> Result<i64, String> {
        let uri = format!("http://{}/prices/{}", self.0.service, Segment(key));
        let request = Request::get(uri).body(Body::empty()).map_err(said)?;
        let response = self.0.client.request(request).await.map_err(said)?;
        if response.status() != StatusCode::OK {
            return Err(response.status().to_string());
        }
        let body = Body::new(response.into_body());
        let body = to_bytes(body, LONGEST_ANSWER).await.map_err(said)?;
        let answer: Price = serde_json::from_slice(&body).map_err(said)?;
        Ok(answer.price.into())
    }
}

fn said(error: impl std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A text as one segment of a path.
struct Segment<'a>(&'a str);

impl std::fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                write!(f, "{}", char::from(byte))
            }
            _ => write!(f, "%{byte:02X}"),
        })
    }
}
