//! One slow query among many quick ones is warned of once, when it is slow and when it is over, in the span of its request.

mod support;

use std::time::Duration;
use support::client::Client;
use support::seen::{Log, Seen};
use support::{PATIENCE, config, eventually, on_workers, start};
use tokio::task::JoinSet;
use tracing::Level;

const SLOW: Duration = Duration::from_millis(500);
const QUICK: u32 = 50;

async fn be_slow_once(log: Log) {
    let service = start(cede_service::Config {
        seed: 100_000,
        ..config()
    });
    let service = service.await;
    let client = Client::of(service.address());
    let asking = client.clone();
    // It would take minutes.
    let slow = tokio::spawn(async move { asking.get("/reports/ranks?deadline_ms=3000").await });
    let ask = |number| {
        let client = client.clone();
        async move {
            let path = format!("/reports/ranks?prefix=item-{number:04}");
            assert_eq!(client.get(&path).await.status, 200);
        }
    };
    (0..QUICK).map(ask).collect::<JoinSet<_>>().join_all().await;
    let answer = slow.await.expect("an answer");
    assert_eq!(answer.error(), (504, "deadline".into()));
    let id = answer.headers["x-request-id"].to_str().unwrap();
    cede::drain(PATIENCE).await.expect("the query is gone");
    // It is the watchdog that says so if it was about to speak when C returned.
    eventually("its end is told", || {
        !of_reports(&log, "slow call has returned").is_empty()
    })
    .await;

    for message in ["slow call", "slow call has returned"] {
        match &of_reports(&log, message)[..] {
            [once] => is_of(once, id),
            told => panic!("not once: {message}: {told:#?}"),
        }
    }
    assert!(service.shut_down().await);
}

/// What is told of reports: on a slow machine, the preparation is slow too.
fn of_reports(log: &Log, message: &str) -> Vec<Seen> {
    let mut told = log.events(message);
    told.retain(|told| told.field("name") == Some("report_ranks"));
    told
}

fn is_of(told: &Seen, request: &str) {
    assert_eq!((told.target, told.level), ("cede", Level::WARN));
    assert_eq!(told.field("mode"), Some("offloaded"));
    assert_eq!(told.names_around(), ["call", "request"]);
    assert_eq!(told.around("call", "name"), Some("report_ranks"));
    assert_eq!(told.around("request", "route"), Some("/reports/ranks"));
    assert_eq!(told.around("request", "id"), Some(request));
}

#[test]
fn a_slow_query_is_warned_of_once() {
    let log = Log::install();
    cede::Config::new().slow_after(SLOW).install().unwrap();
    on_workers(be_slow_once(log));
}
