//! A service to test, its clients, and what is seen of it.
#![allow(dead_code, unreachable_pub)] // each test uses a part

pub mod client;
pub mod scrape;
pub mod seen;

use cede_service::{Config, Service, telemetry};
use metrics_exporter_prometheus::PrometheusHandle;
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::time::sleep;

/// Longer than anything takes that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What tests begin with: any port, a small database, limits that none of them meets by chance.
pub fn config() -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        seed: 100,
        connections: 2000,
        requests: 2000,
        reports: 4,
        queue: 2000,
        deadline: PATIENCE,
        report_deadline: PATIENCE,
        grace: PATIENCE,
        price_delay: Duration::from_millis(1),
        price_deadline: PATIENCE,
        ..Config::default()
    }
}

/// Starts a service.
pub async fn start(config: Config) -> Service {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    let metrics = METRICS.get_or_init(|| telemetry::metrics::install().unwrap());
    Service::start(config, metrics.clone()).await.unwrap()
}

/// Runs a test as a task of a runtime with two workers. What is stuck fails.
pub fn on_workers<F>(test: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    let test = async { tokio::time::timeout(2 * PATIENCE, test).await };
    let outcome = runtime.block_on(async { tokio::spawn(test).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(outcome) => outcome.expect("the test is not stuck"),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// Waits until it holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
