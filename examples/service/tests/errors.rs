//! What is refused, is refused with the right status and word, and does no harm.

mod support;

use axum::http::Method;
use cede_service::{Config, Service};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;
use support::client::{Answer, Client};
use support::{config, on_workers, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn with(config: Config) -> (Service, Client) {
    let service = start(config).await;
    let client = Client::of(service.address());
    (service, client)
}

#[test]
fn each_mistake_has_its_status() {
    let long = format!("/kv/{}", "k".repeat(129));
    let large = "x".repeat((64 << 10) + 1);
    let cases = [
        (Method::GET, "/nowhere", "", 404, "no_route"),
        (Method::GET, "/kv/none", "", 404, "no_entry"),
        (Method::DELETE, "/kv/none", "", 404, "no_entry"),
        (Method::GET, "/kv/none/worth", "", 404, "no_entry"),
        (Method::PATCH, "/kv/none", "", 405, "no_method"),
        (Method::GET, "/kv/a%00b", "", 400, "bad_request"),
        (Method::GET, "/kv/%FF", "", 400, "bad_request"),
        (Method::GET, &long, "", 400, "bad_request"),
        (Method::GET, "/kv?limit=many", "", 400, "bad_request"),
        (
            Method::GET,
            "/reports/ranks?deadline_ms=-1",
            "",
            400,
            "bad_request",
        ),
        (Method::PUT, "/kv/a", "", 400, "bad_request"),
        (Method::PUT, "/kv/a", "{\"value\": -1}", 400, "bad_request"),
        (
            Method::PUT,
            "/kv/a",
            "{\"value\": 1, \"unit\": 2}",
            400,
            "bad_request",
        ),
        (
            Method::POST,
            "/kv",
            "{\"a\": 1, \"\": 1}",
            400,
            "bad_request",
        ),
        (Method::PUT, "/kv/a", &large, 413, "too_large"),
    ]
    .map(|(method, path, body, status, word)| {
        (method, path.to_owned(), body.to_owned(), status, word)
    });
    on_workers(async move {
        let (service, client) = with(config()).await;
        for (method, path, body, status, word) in cases {
            let what = format!("{method} {path}");
            let answer = client.ask(method, &path, body).await;
            assert_eq!(answer.error(), (status, word.into()), "{what}");
            assert!(answer.headers.contains_key("x-request-id"), "{what}");
        }
        assert_eq!(client.get("/kv/a").await.error().0, 404, "nothing was done");
        assert!(service.shut_down().await);
    });
}

#[test]
fn a_batch_is_done_whole() {
    on_workers(async {
        let (service, client) = with(config()).await;
        let batch = r#"{"b-2": 7, "b-1": 5, "b-3": 9}"#;
        let answer = client.ask(Method::POST, "/kv", batch).await;
        assert_eq!(answer.status, 204);
        let page = client.get("/kv?prefix=b-&after=b-1&limit=1").await.json();
        let entry = r#"{"total": 3, "entries": [{"key": "b-2", "value": 7}]}"#;
        assert_eq!(page, serde_json::from_str::<Value>(entry).unwrap());
        assert!(service.shut_down().await);
    });
}

#[test]
fn a_request_keeps_the_id_that_it_has() {
    on_workers(async {
        let service = start(config()).await;
        let head =
            "GET /live HTTP/1.1\r\nhost: a\r\nx-request-id: mine\r\nconnection: close\r\n\r\n";
        let answer = raw(&service, head).await;
        assert!(answer.contains("x-request-id: mine\r\n"), "{answer}");
        assert!(service.shut_down().await);
    });
}

/// Sends this, and reads to the end.
async fn raw(service: &Service, request: &str) -> String {
    let mut stream = TcpStream::connect(service.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn a_client_that_does_not_send_its_body_is_not_waited_for() {
    on_workers(async {
        let patience = Duration::from_millis(200);
        let service = start(Config {
            patience,
            ..config()
        })
        .await;
        let head = "PUT /kv/a HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n\r\n{";
        let answer = raw(&service, head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("slow_client"), "{answer}");
        // Nor one that does not send its head: its connection ends.
        raw(&service, "GET /live HTTP/1.1\r\nhost").await;
        assert!(service.shut_down().await);
    });
}

#[test]
fn a_price_service_that_fails_or_is_slow_is_told_from_ourselves() {
    on_workers(async {
        // A port that nobody listens on.
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let prices = Some(nobody.local_addr().unwrap());
        drop(nobody);
        let slow = Config {
            price_delay: support::PATIENCE,
            price_deadline: Duration::from_millis(50),
            ..config()
        };
        for config in [Config { prices, ..config() }, slow] {
            let (service, client) = with(config).await;
            for path in ["/kv/item-00001/worth", "/reports/worth?prefix=item-00001"] {
                let answer = client.get(path).await;
                assert_eq!(answer.error(), (502, "prices_failed".into()));
                assert!(answer.body.contains("price service"), "{}", answer.body);
            }
            assert_eq!(client.get("/kv/item-00001").await.json()["value"], 7919);
            assert!(service.shut_down().await);
        }
    });
}

/// That the answer says: not now.
fn assert_busy(answer: &Answer) {
    assert_eq!(answer.error(), (503, "busy".into()));
    assert_eq!(answer.headers["retry-after"], "1");
}

/// While a request of a minute is in C, and there is room for no other like it.
async fn beside_a_long_one(config: Config, long: &'static str, refused: &str, served: &str) {
    let (service, client) = with(config).await;
    let begun = tokio::spawn({
        let client = client.clone();
        // One that is refused itself, because the other was there first, tries again.
        async move { while client.get(long).await.error().1 == "busy" {} }
    });
    loop {
        let answer = client.get(&format!("{refused}&deadline_ms=10")).await;
        if answer.error().1 == "busy" {
            assert_busy(&answer);
            break;
        }
    }
    assert_eq!(client.get(served).await.status, 200);
    begun.abort();
    assert!(service.shut_down().await);
}

#[test]
fn reports_beyond_the_line_are_refused_and_nobody_else_is() {
    let config = Config {
        seed: 100_000,
        reports: 1,
        queue: 0,
        ..config()
    };
    let report = "/reports/ranks?prefix=item-";
    on_workers(beside_a_long_one(config, report, report, "/kv/item-00001"));
}

#[test]
fn requests_beyond_the_limit_are_refused_but_for_the_operators() {
    let config = Config {
        seed: 100_000,
        requests: 1,
        ..config()
    };
    let report = "/reports/ranks?prefix=item-";
    on_workers(beside_a_long_one(config, report, report, "/metrics"));
}
