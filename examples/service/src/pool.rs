//! Connections for one class of queries.
//!
//! Each class (short queries, queries that wait, reports) has a pool of its own, so that none of them waits behind another's.
//! A pool bounds two numbers: how many queries of its class are in C at once, and how many wait for that. Whoever comes beyond
//! is refused at once, which is better for everybody than a line that grows.

use crate::db::Connection;
use crate::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What opens a connection. It blocks.
type Open = dyn Fn() -> Result<Connection, crate::db::Error> + Send + Sync;

/// A handle: clones are the same pool.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    /// What is in it, for messages and metrics.
    name: &'static str,
    size: usize,
    queue: usize,
    open: Box<Open>,
    /// As many as may use a connection or wait for one.
    places: Arc<Semaphore>,
    /// As many as may use a connection.
    turns: Arc<Semaphore>,
    /// Open, and used by nobody. The one used last is used next: its cache is warm.
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(crate) fn new(
        name: &'static str,
        size: usize,
        queue: usize,
        open: impl Fn() -> Result<Connection, crate::db::Error> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            name,
            size,
            queue,
            open: Box::new(open),
            places: Arc::new(Semaphore::new(size + queue)),
            turns: Arc::new(Semaphore::new(size)),
            idle: Mutex::default(),
        }))
    }

    /// As [`get`](Self::get), if that takes no longer.
    pub(crate) async fn get_within(&self, limit: Duration) -> Result<Pooled, Error> {
        let pooled = timeout(limit, self.get()).await;
        pooled.map_err(|_| Error::Deadline)?
    }

    /// A connection, when there is one free: in the order in which they were asked for.
    pub(crate) async fn get(&self) -> Result<Pooled, Error> {
        let place = self.0.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::Busy(self.0.name))?;
        let turn = self.0.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Error::ShuttingDown)?;
        let idle = self.0.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => cede::call(|| (self.0.open)()).named("sqlite3_open").await?,
        };
        Ok(Pooled {
            connection: Some(connection),
            pool: self.0.clone(),
            _turn: turn,
            _place: place,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name
    }

    /// How many connections are in use, and how many requests wait for one.
    pub(crate) fn load(&self) -> (usize, usize) {
        let used = self.0.size - self.0.turns.available_permits();
        let placed = self.0.size + self.0.queue - self.0.places.available_permits();
        (used, placed.saturating_sub(used))
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.0.name).finish()
    }
}

/// A connection, until it is dropped, which gives it back.
pub(crate) struct Pooled {
    /// There until it is dropped.
    connection: Option<Connection>,
    pool: Arc<Shared>,
    // Given back after the connection, the narrower first.
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Drop for Pooled {
    fn drop(&mut self) {
        // One that a panic has gone through is not used again, but closed.
        if let (Some(connection), false) = (self.connection.take(), thread::panicking()) {
            self.pool.idle().push(connection);
        }
    }
}

impl Deref for Pooled {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("there until it is dropped")
    }
}

impl DerefMut for Pooled {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("there until it is dropped")
    }
}
