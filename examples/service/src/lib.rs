//! A service as it would be run in production: entries by key, and reports about them, over SQLite by its C interface, on one tokio
//! runtime.
//!
//! What to look at, for what:
//!
//! | | |
//! |---|---|
//! | `kv` | short queries, in place, in a scope; a query whose SQL function awaits another service |
//! | `reports` | long queries, offloaded, with a deadline, interrupted when nobody waits any more |
//! | `writes` | a lane: writes in order, a bounded line, an answer that says whether it was done |
//! | `pool` | a bounded pool of connections for each class of queries |
//! | `shutdown` | the end: requests, lane, C |
//! | `db` | a thin safe SQLite |
//! | `telemetry` | a span a request, logs as JSON, metrics |

mod admission;
mod app;
mod config;
pub mod db;
mod entries;
mod error;
mod extract;
mod file;
mod kv;
mod pool;
mod prices;
mod reports;
mod routes;
mod server;
mod shutdown;
pub mod telemetry;
mod writes;

pub use config::{Config, Malformed};
pub use shutdown::asked_to_end;

use app::App;
use file::DatabaseFile;
use metrics_exporter_prometheus::PrometheusHandle;
use prices::{Prices, stub};
use server::{Limits, serve};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::interval;

/// A service that runs.
pub struct Service {
    address: SocketAddr,
    app: Arc<App>,
    /// Tells the server to stop, also by being dropped.
    stop: oneshot::Sender<()>,
    /// Whether all requests ended in time.
    serving: JoinHandle<bool>,
    /// What goes on beside it until the end, and is aborted then.
    beside: JoinSet<()>,
    // After whatever uses it.
    file: DatabaseFile,
}

impl Service {
    /// Opens the database, and answers requests from then on. To be called on a multi-thread runtime.
    ///
    /// # Errors
    ///
    /// If the database cannot be opened, or the address is not to be had.
    pub async fn start(config: Config, prometheus: PrometheusHandle) -> io::Result<Self> {
        let mut beside = JoinSet::new();
        let limits = Limits {
            connections: config.connections,
            patience: config.patience,
            grace: config.grace,
        };
        let service = match config.prices {
            Some(service) => service,
            None => start_prices(&mut beside, limits, config.price_delay).await?,
        };
        let file = DatabaseFile::new(config.database.clone())?;
        let prices = Prices::new(service, config.price_deadline);
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        beside.spawn(keep_up(prometheus.clone()));
        let app = App::open(config, file.path().to_owned(), prices, prometheus).await?;
        let app = Arc::new(app);
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let serving = serve(listener, routes::routes(app.clone()), limits, stopped);
        tracing::info!(%address, database = %file.path().display(), "listening");
        Ok(Self {
            address,
            app,
            stop,
            serving: tokio::spawn(serving),
            beside,
            file,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The database's file.
    pub fn database(&self) -> &Path {
        self.file.path()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("address", &self.address)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

async fn start_prices(
    beside: &mut JoinSet<()>,
    limits: Limits,
    delay: Duration,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    beside.spawn(async move {
        serve(
            listener,
            stub::service(delay),
            limits,
            std::future::pending(),
        )
        .await;
    });
    Ok(address)
}

/// Folds what histograms have been told, which they would keep if nobody asked for it.
async fn keep_up(prometheus: PrometheusHandle) {
    let mut now_and_then = interval(Duration::from_secs(5));
    loop {
        now_and_then.tick().await;
        prometheus.run_upkeep();
    }
}
