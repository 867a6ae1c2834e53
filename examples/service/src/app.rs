//! What the service is made of, shared by its requests.

use crate::config::Config;
use crate::db::{Access, Connection, Error};
use crate::entries;
use crate::pool::Pool;
use crate::prices::Prices;
use crate::reports::Reports;
use crate::writes::Writer;
use metrics_exporter_prometheus::PrometheusHandle;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(crate) struct App {
    pub(crate) config: Config,
    /// For short queries, in place.
    pub(crate) readers: Pool,
    /// For queries that wait for the price service, in place.
    pub(crate) pricers: Pool,
    /// For long queries that compute, offloaded.
    pub(crate) reports: Reports,
    /// For long queries that wait for the price service, offloaded.
    pub(crate) priced_reports: Reports,
    /// For writes, on a lane.
    pub(crate) writer: Writer,
    /// As many as there may be requests.
    pub(crate) admission: Arc<Semaphore>,
    pub(crate) prometheus: PrometheusHandle,
}

impl App {
    /// Opens the database in a file, or makes it.
    pub(crate) async fn open(
        config: Config,
        file: PathBuf,
        prices: Prices,
        prometheus: PrometheusHandle,
    ) -> io::Result<Self> {
        let (patience, seed) = (config.deadline, config.seed);
        let path = file.clone();
        // Longer than a scheduler's patience, but nobody waits for it yet.
        let writing = cede::offload(move || {
            let mut db = Connection::open(&path, Access::Write, patience)?;
            entries::prepare(&mut db, seed)?;
            Ok::<_, Error>(db)
        });
        let writing = writing.named("prepare").await.map_err(io::Error::other)?;
        let open = move || {
            let mut db = Connection::open(&file, Access::Read, patience)?;
            prices.define(&mut db)?;
            Ok(db)
        };
        let pool = |name, size| Pool::new(name, size, config.queue, open.clone());
        let pricers = pool("priced queries", config.pricers);
        let reports = |pool| Reports {
            pool,
            deadline: config.report_deadline,
        };
        Ok(Self {
            readers: pool("queries", config.readers),
            reports: reports(pool("reports", config.reports)),
            priced_reports: reports(pricers.clone()),
            pricers,
            writer: Writer::new(writing, config.queue, config.deadline)?,
            admission: Arc::new(Semaphore::new(config.requests)),
            prometheus,
            config,
        })
    }

    pub(crate) fn pools(&self) -> [&Pool; 3] {
        [&self.readers, &self.pricers, &self.reports.pool]
    }
}
