//! Reports: queries that take long, on other threads, with a deadline, and given up when nobody waits for them any more.
//!
//! # Rules
//!
//! 1. A report holds its connection until C has really returned, whoever has gone meanwhile. So the connection comes back *with*
//!    what C returns, and not from within the closure: the interruption is in force until then, and must not hit whoever has the
//!    connection next.
//! 2. There are fewer of those that compute at once than processors. Those that wait take no processor, and are bounded as other
//!    queries that wait are.

use crate::db::{self, Connection};
use crate::error::Error;
use crate::pool::Pool;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

pub(crate) struct Reports {
    pub(crate) pool: Pool,
    /// The longest that any may take.
    pub(crate) deadline: Duration,
}

impl Reports {
    /// Runs a report. The deadline counts from now, and waiting in line counts too.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        name: &'static str,
        deadline: Option<Duration>,
        query: impl FnOnce(&mut Connection) -> Result<R, db::Error> + Send + 'static,
    ) -> Result<R, Error> {
        let limit = deadline.map_or(self.deadline, |asked| asked.min(self.deadline));
        let deadline = Instant::now() + limit;
        let late = |_| Error::Deadline;
        let mut connection = timeout_at(deadline, self.pool.get())
            .await
            .map_err(late)??;
        let interrupter = connection.interrupter();
        let report = cede::offload(move || {
            let rows = query(&mut connection);
            (rows, connection) // rule 1
        })
        .named(name)
        .on_cancel(cede::Cancel::interrupt(move || interrupter.interrupt()));
        // Too late, or the client has gone: dropped either way, which interrupts C.
        let (rows, _connection) = timeout_at(deadline, report).await.map_err(late)?;
        Ok(rows?)
    }
}
