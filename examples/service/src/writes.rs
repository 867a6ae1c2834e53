//! Writes: one after the other, in the order in which they came, on a thread of their own.
//!
//! SQLite has one writer at a time anyway. A lane gives it a thread, so that nobody waits for the lock, and a line of bounded
//! length before it, so that a client hears "busy" at once instead of waiting for something that takes too long.
//!
//! # What an answer means
//!
//! | | |
//! |---|---|
//! | 2xx, or 404 | it is done, and committed |
//! | `busy`, `deadline`, `shutting_down` | it was not done, and will not be |
//! | none, because the client did not wait | either |

use crate::db::{self, Connection};
use crate::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

pub(crate) struct Writer {
    lane: cede::Lane,
    /// For the lane's one thread, so nobody ever waits for it.
    connection: Arc<Mutex<Connection>>,
    deadline: Duration,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        queue: usize,
        deadline: Duration,
    ) -> io::Result<Self> {
        Ok(Self {
            lane: cede::Lane::builder("writer").queue(queue).start()?,
            connection: Arc::new(Mutex::new(connection)),
            deadline,
        })
    }

    /// Does a piece of work when it is its turn, or not at all.
    pub(crate) async fn write<R: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<R, db::Error> + Send + 'static,
    ) -> Result<R, Error> {
        let connection = self.connection.clone();
        let write = move || {
            // Of a panic nothing is left: a transaction that is open is rolled back.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut connection)
        };
        let write = cede::offload(write).named(name).on_lane(&self.lane);
        let (canceller, mut write) = write.cancellable();
        write
            .try_start()
            .map_err(|refused| match refused.is_full() {
                true => Error::Busy("writes"),
                false => Error::ShuttingDown,
            })?;
        let outcome = match timeout(self.deadline, &mut write).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // Leaves the line if it is there still. If it has begun, it ends soon, and this waits for how.
                canceller.cancel();
                write.await
            }
        };
        match outcome {
            Ok(done) => Ok(done?),
            Err(not_run) if not_run.is_cancelled() => Err(Error::Deadline),
            Err(_) => Err(Error::ShuttingDown),
        }
    }

    /// No more writes. Those in line are done.
    pub(crate) fn close(&self) -> cede::LaneClose {
        self.lane.close()
    }

    /// How many writes are in line.
    pub(crate) fn waiting(&self) -> usize {
        self.lane.waiting()
    }
}
