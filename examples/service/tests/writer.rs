//! Writes are done in order; those beyond the line are refused; and what was answered with an error was not done.

mod support;

use axum::http::StatusCode;
use cede_service::db::{Access, Connection};
use cede_service::{Config, Service};
use std::sync::Mutex;
use std::time::Duration;
use support::client::{Answer, Client};
use support::{PATIENCE, config, eventually, on_workers, start};
use tokio::task::JoinHandle;

/// One after the other: they look at the lanes of the process.
static TURN: Mutex<()> = Mutex::new(());

/// Another writer of the database, which has it locked.
fn lock(service: &Service) -> Connection {
    let db = Connection::open(service.database(), Access::Write, PATIENCE);
    let mut db = db.unwrap();
    db.execute("BEGIN IMMEDIATE", &[]).unwrap();
    db
}

/// Puts a value, and returns when the write is in C, or in line, so far back.
async fn put(client: &Client, key: &str, value: usize, ahead: usize) -> JoinHandle<Answer> {
    let (client, path) = (client.clone(), format!("/kv/{key}"));
    let put = async move { client.put(&path, format!("{{\"value\": {value}}}")).await };
    let put = tokio::spawn(put);
    eventually("the write is in line", || {
        let now = cede::metrics();
        now.lane_calls_running + now.lane_calls_waiting == ahead + 1
    })
    .await;
    put
}

async fn fill_the_line() {
    const QUEUE: usize = 3;

    let service = start(Config {
        queue: QUEUE,
        ..config()
    });
    let service = service.await;
    let client = Client::of(service.address());
    let mut locked = lock(&service);
    let mut writes = Vec::new();
    for number in 0..=QUEUE {
        writes.push(put(&client, "a", number, number).await);
    }
    let answer = client.put("/kv/a", "{\"value\": 100}").await;
    assert_eq!(answer.error(), (503, "busy".into()));
    assert_eq!(answer.headers["retry-after"], "1");
    // Who reads does not wait for who writes.
    assert_eq!(client.get("/kv/item-00001").await.json()["value"], 7919);
    locked.execute("COMMIT", &[]).unwrap();
    for write in writes {
        assert_eq!(write.await.unwrap().status, StatusCode::NO_CONTENT);
    }
    assert_eq!(client.get("/kv/a").await.json()["value"], QUEUE);
    assert!(service.shut_down().await);
}

#[test]
fn a_full_line_refuses_and_the_rest_is_done_in_order() {
    let _turn = TURN.lock();
    on_workers(fill_the_line());
}

async fn run_out_of_time() {
    let service = start(Config {
        deadline: Duration::from_millis(300),
        ..config()
    });
    let service = service.await;
    let client = Client::of(service.address());
    let mut locked = lock(&service);
    let in_c = put(&client, "in-c", 1, 0).await;
    let in_line = put(&client, "in-line", 1, 1).await;
    assert_eq!(in_c.await.unwrap().error(), (503, "busy".into()));
    let (status, _) = in_line.await.unwrap().error();
    assert!([503, 504].contains(&status), "{status}");
    locked.execute("COMMIT", &[]).unwrap();
    let put = client.put("/kv/later", "{\"value\": 1}").await;
    assert_eq!(put.status, StatusCode::NO_CONTENT);
    for key in ["in-c", "in-line"] {
        let found = client.get(&format!("/kv/{key}")).await;
        assert_eq!(found.error(), (404, "no_entry".into()), "{key}");
    }
    assert!(service.shut_down().await);
}

#[test]
fn what_is_too_late_is_not_done() {
    let _turn = TURN.lock();
    on_workers(run_out_of_time());
}
