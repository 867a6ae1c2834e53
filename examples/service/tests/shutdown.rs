//! The end: requests in flight are answered, or given up when their grace is over; nothing is left behind.

mod support;

use axum::http::StatusCode;
use cede_service::Config;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use support::client::Client;
use support::scrape::until;
use support::{PATIENCE, config, on_workers, start};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// One after the other: they look at the process's metrics.
static TURN: Mutex<()> = Mutex::new(());

const PRICED: &str = "db_connections_in_use{pool=\"priced queries\"}";
const REPORTS: &str = "db_connections_in_use{pool=\"reports\"}";

/// Asks, and returns when so many queries of its pool have a connection.
async fn ask(client: &Client, path: &'static str, pool: &str, used: f64) -> JoinHandle<Value> {
    let asking = client.clone();
    let asked = tokio::spawn(async move { asking.get(path).await.json() });
    until(client, pool, used).await;
    asked
}

async fn end_under_requests() {
    let service = start(Config {
        price_delay: Duration::from_millis(300),
        ..config()
    });
    let service = service.await;
    let (address, client) = (service.address(), Client::of(service.address()));
    let in_place = ask(&client, "/kv/item-00001/worth", PRICED, 1.0).await;
    let report = "/reports/worth?prefix=item-00001";
    let offloaded = ask(&client, report, PRICED, 2.0).await;
    assert!(service.shut_down().await, "a clean end");
    for request in [in_place, offloaded] {
        assert_eq!(request.await.unwrap()["worth"], 7919 * 18);
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}

#[test]
fn requests_in_flight_are_answered() {
    let _turn = TURN.lock();
    on_workers(end_under_requests());
}

async fn end_without_an_end() {
    let service = start(Config {
        seed: 100_000,
        grace: Duration::from_millis(200),
        ..config()
    });
    let service = service.await;
    let client = Client::of(service.address());
    // It would take minutes.
    let _asked = ask(&client, "/reports/ranks", REPORTS, 1.0).await;
    let file = service.database().to_owned();
    let ended = timeout(PATIENCE / 2, service.shut_down()).await;
    assert_eq!(ended, Ok(false), "an end, if not a clean one");
    assert_eq!(cede::metrics().offloaded_calls, 0, "the report is given up");
    assert!(!file.exists());
}

#[test]
fn what_does_not_end_in_time_is_given_up() {
    let _turn = TURN.lock();
    on_workers(end_without_an_end());
}

/// The program itself.
struct Program {
    child: Child,
    log: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cede-service"))
            .env("SERVICE_LISTEN", "127.0.0.1:0")
            .env("SERVICE_PRICE_DELAY_MS", "300")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, log }
    }

    fn next(&mut self) -> Option<Value> {
        let line = self.log.next()?.unwrap();
        Some(serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}")))
    }

    fn ask_to_end(&self) {
        let number = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &number]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Over already, unless the test has failed.
        let _ = self.child.kill();
    }
}

async fn end_by_signal() {
    let mut program = Program::start();
    let listening = program.next().unwrap();
    assert_eq!(listening["message"], "listening");
    let address = listening["address"].as_str().unwrap().parse().unwrap();
    let client = Client::of(address);
    let put = client.put("/kv/apple", "{\"value\": 2}").await;
    assert_eq!(put.status, StatusCode::NO_CONTENT);
    let worth = ask(&client, "/kv/apple/worth", PRICED, 1.0).await;
    program.ask_to_end();
    assert_eq!(worth.await.unwrap()["key"], "apple");

    let status = program.child.wait().unwrap();
    assert!(status.success(), "{status}");
    let log: Vec<_> = std::iter::from_fn(|| program.next()).collect();
    let put = log.iter().find(|line| line["status"] == 204).unwrap();
    assert_eq!(put["message"], "answered");
    assert_eq!(put["spans"][0]["route"], "/kv/{key}");
    assert!(put["spans"][0]["id"].is_string());
    let last = log.last().unwrap();
    assert_eq!(
        (&last["message"], &last["is_clean"]),
        (&"down".into(), &true.into())
    );
    let file = Path::new(listening["database"].as_str().unwrap());
    assert!(!file.exists() && !file.parent().unwrap().exists());
}

#[test]
fn a_signal_ends_the_program_well() {
    let _turn = TURN.lock();
    on_workers(end_by_signal());
}
