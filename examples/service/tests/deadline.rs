//! A report that takes too long is answered in time, and really ends: its connection serves the next.

mod support;

use cede_service::Config;
use support::client::Client;
use support::{PATIENCE, config, on_workers, start};

async fn run_out_of_time() {
    let service = start(Config {
        seed: 100_000,
        reports: 1,
        ..config()
    });
    let service = service.await;
    let client = Client::of(service.address());
    for _ in 0..5 {
        // It would take minutes.
        let answer = client.get("/reports/ranks?deadline_ms=50").await;
        assert_eq!(answer.error(), (504, "deadline".into()));
        let drained = cede::drain(PATIENCE).await;
        drained.expect("the query is gone");
        let ranks = client.get("/reports/ranks?prefix=item-0000").await.json();
        assert_eq!(ranks[0]["key"], "item-00005");
    }
    assert_eq!(cede::metrics().abandoned_calls_ever, 5);
    assert!(service.shut_down().await);
}

#[test]
fn a_report_ends_at_its_deadline_and_its_connection_lives_on() {
    on_workers(run_out_of_time());
}
