//! A client, whose requests may be dropped: that closes their connections.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::net::SocketAddr;

#[derive(Clone, Debug)]
pub struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Body>,
    service: SocketAddr,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Client {
    pub fn of(service: SocketAddr) -> Self {
        Self {
            http: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http(),
            service,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    pub async fn put(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.ask(Method::PUT, path, body).await
    }

    pub async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let uri = format!("http://{}{path}", self.service);
        let request = Request::builder().method(method).uri(uri);
        let request = request.body(body.into()).unwrap();
        let response = self.http.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.into()).unwrap(),
        }
    }
}

impl Answer {
    /// The body of a good answer.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status and the word of one that is not.
    #[track_caller]
    pub fn error(&self) -> (u16, String) {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
        let code = body["error"]["code"].as_str().unwrap();
        (self.status.as_u16(), code.to_owned())
    }
}
