//! Hundreds of clients at once get right answers, those that go leave nothing behind, and what an operator sees agrees with what was
//! done.

mod support;

use axum::http::{Method, StatusCode};
use support::client::Client;
use support::scrape::Scrape;
use support::seen::Log;
use support::{config, eventually, on_workers, start};
use tokio::task::JoinSet;

const CLIENTS: i64 = 300;
/// Of whom some have a report in C, the others stand in line.
const IMPATIENT: usize = 40;
const REPORTS: usize = 4;

/// As the price service has it.
fn price_of(key: &str) -> i64 {
    key.bytes().map(i64::from).sum::<i64>() % 100 + 1
}

/// All that one client does. Six requests.
async fn come_and_go(client: Client, number: i64) {
    let (path, key) = (format!("/kv/mine-{number}"), format!("mine-{number}"));
    assert_eq!(client.get(&path).await.error(), (404, "no_entry".into()));
    let put = client.put(&path, format!("{{\"value\": {number}}}")).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT);
    assert_eq!(client.get(&path).await.json()["value"], number);
    let worth = client.get(&format!("{path}/worth")).await.json();
    assert_eq!(worth["worth"], number * price_of(&key));
    let report = format!("/reports/worth?prefix={key}");
    let sum = client.get(&report).await.json();
    assert!(sum["entries"].as_i64() >= Some(1));
    let deleted = client.ask(Method::DELETE, &path, "").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
}

/// Clients that ask for something that takes minutes, and go.
async fn lose_patience(client: &Client) {
    let ask = |_| {
        let client = client.clone();
        async move { client.get("/reports/ranks?prefix=item").await }
    };
    let asked: JoinSet<_> = (0..IMPATIENT).map(ask).collect();
    eventually("reports are in C", || {
        cede::metrics().offloaded_calls == REPORTS
    })
    .await;
    let line = Scrape::of(client).await;
    assert_eq!(
        line.value("db_connections_in_use{pool=\"reports\"}"),
        REPORTS as f64
    );
    drop(asked);
}

async fn serve_a_crowd(log: Log) {
    let service = start(cede_service::Config {
        seed: 100_000,
        reports: REPORTS,
        ..config()
    });
    let service = service.await;
    let client = Client::of(service.address());

    lose_patience(&client).await;
    let crowd: JoinSet<_> = (0..CLIENTS)
        .map(|number| come_and_go(client.clone(), number))
        .collect();
    crowd.join_all().await;

    // The connections that were interrupted are used again, and none of their next queries was.
    let ranks = client.get("/reports/ranks?prefix=item-0000").await.json();
    assert_eq!(ranks[0]["key"], "item-00005");
    assert_eq!(ranks.as_array().map(Vec::len), Some(10));

    cede::drain(support::PATIENCE)
        .await
        .expect("no call is left");
    let now = cede::metrics();
    assert_eq!((now.offloaded_calls, now.abandoned_calls), (0, 0));
    assert_eq!(now.abandoned_calls_ever, REPORTS as u64);
    assert_eq!((now.lane_calls_waiting, now.lane_calls_running), (0, 0));

    metrics_agree(&client).await;
    spans_nest(&log);
    assert!(service.shut_down().await, "a clean end");
}

async fn metrics_agree(client: &Client) {
    let scrape = Scrape::of(client).await;
    let requests = |labels: &[&str]| scrape.sum("http_requests_total", labels);
    let each = CLIENTS as f64;
    assert_eq!(requests(&["route=\"/kv/{key}\"", "status=\"404\""]), each);
    assert_eq!(requests(&["method=\"PUT\"", "status=\"204\""]), each);
    assert_eq!(requests(&["method=\"DELETE\"", "status=\"204\""]), each);
    assert_eq!(
        requests(&["route=\"/kv/{key}/worth\"", "status=\"200\""]),
        each
    );
    assert_eq!(
        requests(&["route=\"/reports/worth\"", "status=\"200\""]),
        each
    );
    assert_eq!(
        requests(&["route=\"/reports/ranks\"", "status=\"200\""]),
        1.0
    );
    assert_eq!(requests(&["status=\"499\""]), IMPATIENT as f64);
    assert_eq!(requests(&["status=\"5"]), 0.0);
    let durations = scrape.sum("http_request_duration_seconds_count", &[]);
    assert_eq!(durations, requests(&[]));
    assert_eq!(scrape.value("http_requests_in_flight"), 1.0, "this one");
    for pool in ["queries", "priced queries", "reports"] {
        let sample = format!("db_connections_in_use{{pool=\"{pool}\"}}");
        assert_eq!(scrape.value(&sample), 0.0, "{pool}");
    }
    for place in ["in_place", "suspended", "offloaded"] {
        let sample = format!("cede_calls_in_flight{{place=\"{place}\"}}");
        assert_eq!(scrape.value(&sample), 0.0, "{place}");
    }
    assert_eq!(scrape.value("cede_calls_abandoned"), 0.0);
    assert_eq!(scrape.value("cede_calls_abandoned_total"), REPORTS as f64);
    assert_eq!(
        scrape.value("cede_lane_calls_waiting{lane=\"writer\"}"),
        0.0
    );
    // A put and a deletion.
    assert_eq!(scrape.value("cede_calls_total{mode=\"lane\"}"), 2.0 * each);
    // Not found, found, and what it is worth; and each connection was opened once.
    assert!(scrape.value("cede_calls_total{mode=\"in_place\"}") > 3.0 * each);
    let reports = each + 1.0 + REPORTS as f64;
    let offloaded = scrape.value("cede_calls_total{mode=\"offloaded\"}");
    assert_eq!(offloaded, reports + 1.0, "and the preparation");
}

/// A call's span is in that of its request, and what callbacks do is the request's.
fn spans_nest(log: &Log) {
    let calls = log.spans("call");
    let routes = [
        ("kv_put", "/kv/{key}", CLIENTS as usize),
        ("kv_get", "/kv/{key}", 2 * CLIENTS as usize),
        ("kv_worth", "/kv/{key}/worth", CLIENTS as usize),
        ("report_worth", "/reports/worth", CLIENTS as usize),
        ("report_ranks", "/reports/ranks", REPORTS + 1),
    ];
    for (name, route, count) in routes {
        let named = calls.iter().filter(|call| call.field("name") == Some(name));
        let mut requests: Vec<_> = named
            .map(|call| {
                assert_eq!(call.names_around(), ["request"], "{call:?}");
                assert_eq!(call.around("request", "route"), Some(route));
                call.around("request", "id")
            })
            .collect();
        assert_eq!(requests.len(), count, "{name}");
        requests.sort_unstable();
        requests.dedup();
        assert_eq!(requests.len(), count, "{name}: a request each");
    }
    let prices = log.spans("price");
    assert!(prices.len() >= 2 * CLIENTS as usize);
    for price in prices {
        assert_eq!(price.names_around(), ["request"], "{price:?}");
        let route = price.around("request", "route").unwrap();
        assert!(route.ends_with("/worth"), "{route}");
    }
    let aborted = log.all(|seen| seen.target == "cede::c::sqlite");
    assert_eq!(aborted.len(), REPORTS, "{aborted:?}");
    for aborted in aborted {
        assert_eq!(aborted.names_around(), ["call", "request"]);
        assert_eq!(aborted.around("call", "name"), Some("report_ranks"));
        assert_eq!(aborted.field("code"), Some("9"), "SQLITE_INTERRUPT");
    }
    let gone = log.events("the client has gone");
    assert_eq!(gone.len(), IMPATIENT);
    assert!(gone.iter().all(|gone| gone.names_around() == ["request"]));
}

#[test]
fn a_crowd_is_served_and_nothing_is_left_behind() {
    let log = Log::install();
    // SAFETY: this is the one test here, and there is no other thread that uses SQLite.
    assert!(unsafe { cede_service::db::log::start() });
    on_workers(serve_a_crowd(log));
}
