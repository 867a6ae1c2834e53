//! Starts the service, and ends it when it is asked to: see the README.

use cede_service::telemetry::{logs, metrics};
use cede_service::{Config, Service, asked_to_end, db};
use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// How long threads that are in C may hold the process back when all limits have passed.
const LAST_LIMIT: Duration = Duration::from_millis(100);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match serve() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("cede-service: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well to the end.
fn serve() -> Result<bool, Failure> {
    let config = Config::from_environment()?;
    let filter = env::var("SERVICE_LOG");
    logs::start(filter.as_deref().unwrap_or(logs::DEFAULT_FILTER))?;
    cede::Config::new().slow_after(config.slow).install()?;
    // SAFETY: there is no other thread yet.
    if !unsafe { db::log::start() } {
        tracing::warn!("SQLite's log goes nowhere");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .enable_all()
        .build()?;
    // In a task, and not on the thread of `block_on`, which has no slot to cede.
    let run = runtime.block_on(runtime.spawn(run(config)));
    // C that never returns would hold `drop` for as long.
    runtime.shutdown_timeout(LAST_LIMIT);
    run?
}

async fn run(config: Config) -> Result<bool, Failure> {
    let service = Service::start(config, metrics::install()?).await?;
    asked_to_end().await?;
    tokio::select! {
        is_clean = service.shut_down() => Ok(is_clean),
        again = asked_to_end() => again.map(|()| false).map_err(Into::into),
    }
}
