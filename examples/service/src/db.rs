//! A thin safe SQLite: connections, statements, functions that await, interruption.
//!
//! Everything here blocks, as C does: call it in [`cede::call`] or [`cede::offload`].
//!
//! # Rules
//!
//! 1. A connection is opened without a mutex of its own. `&mut` sees to it that one thread at a time uses it.
//! 2. What an [`Interrupter`] shares with it is the open handle, and the one function that SQLite allows on any thread.
//! 3. Statements are the program's own texts, never a request's: SQL takes `&'static str`, requests give parameters.

mod error;
mod function;
pub mod log;
mod statement;

pub use error::Error;
pub use function::Failure;
pub use statement::{Row, Value};

use libsqlite3_sys::*;
use statement::Statement;
use std::ffi::{CString, c_int};
use std::path::Path;
use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;
use std::time::Duration;

/// How a connection may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads what there is.
    Read,
    /// Reads and writes, and makes the file if there is none.
    Write,
}

/// A connection to a database.
#[derive(Debug)]
pub struct Connection {
    /// Kept for reuse. Finalized before the handle is closed.
    statements: Vec<Statement>,
    handle: Arc<Handle>,
}

/// An open connection of SQLite's, until it is dropped.
#[derive(Debug)]
struct Handle(NonNull<sqlite3>);

// SAFETY: without a mutex of its own a connection belongs to no thread; rule 1.
unsafe impl Send for Handle {}

// SAFETY: shared, it is good for `sqlite3_interrupt` alone, which any thread may call while the connection is open.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: open until here, and nobody has it any more. Statements are finalized: they go first.
        unsafe { sqlite3_close(self.0.as_ptr()) };
    }
}

impl Connection {
    /// Opens the database in a file. While another connection has a lock that this one needs, C waits for `patience`.
    ///
    /// # Errors
    ///
    /// If SQLite cannot open it.
    pub fn open(path: &Path, access: Access, patience: Duration) -> Result<Self, Error> {
        let path = path.as_os_str().as_encoded_bytes();
        let path = CString::new(path).map_err(|_| Error::misuse("a NUL in a file's name"))?;
        let flags = SQLITE_OPEN_NOMUTEX
            | match access {
                Access::Read => SQLITE_OPEN_READONLY,
                Access::Write => SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
            };
        let mut db = null_mut();
        // SAFETY: the name ends in NUL, and there is room for the connection.
        let code = unsafe { sqlite3_open_v2(path.as_ptr(), &mut db, flags, null()) };
        // There is one even if that has failed, for its message: it is to be closed.
        let handle = NonNull::new(db).ok_or_else(|| Error::of_code(SQLITE_NOMEM))?;
        let connection = Self {
            statements: Vec::new(),
            handle: Arc::new(Handle(handle)),
        };
        connection.check(code)?;
        // SAFETY: the connection is open.
        unsafe { sqlite3_extended_result_codes(db, 1) };
        let patience = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: as above.
        connection.check(unsafe { sqlite3_busy_timeout(db, patience) })?;
        Ok(connection)
    }

    fn raw(&self) -> *mut sqlite3 {
        self.handle.0.as_ptr()
    }

    /// Turns the code of what was just done into a result.
    fn check(&self, code: c_int) -> Result<(), Error> {
        match code {
            SQLITE_OK => Ok(()),
            // SAFETY: the connection is open, and whoever has it uses it alone.
            code => Err(unsafe { Error::of(code, self.raw()) }),
        }
    }

    /// Runs a query, and reads its rows.
    ///
    /// # Errors
    ///
    /// Whatever SQLite says; [`Error::is_interrupted`] if an [`Interrupter`] has ended it.
    pub fn query<T>(
        &mut self,
        sql: &'static str,
        parameters: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> T,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        self.prepared(sql)?
            .run(parameters, |row| rows.push(read(row)))?;
        Ok(rows)
    }

    /// Runs a query that has one row at most.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub fn query_one<T>(
        &mut self,
        sql: &'static str,
        parameters: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> T,
    ) -> Result<Option<T>, Error> {
        Ok(self.query(sql, parameters, read)?.pop())
    }

    /// Runs a statement for what it does. How many rows it has changed.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub fn execute(&mut self, sql: &'static str, parameters: &[Value<'_>]) -> Result<usize, Error> {
        self.prepared(sql)?.run(parameters, |_| ())?;
        // SAFETY: the connection is open.
        let changed = unsafe { sqlite3_changes64(self.raw()) };
        Ok(usize::try_from(changed).unwrap_or(0))
    }

    /// Does all of `work`, or nothing of it.
    ///
    /// # Errors
    ///
    /// The first error: of `work`, or of SQLite.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.execute("BEGIN IMMEDIATE", &[])?;
        let open = Transaction(self);
        let done = work(open.0)?;
        open.0.execute("COMMIT", &[])?;
        Ok(done)
    }

    /// The statement for a text: prepared now, or before.
    fn prepared(&mut self, sql: &'static str) -> Result<&mut Statement, Error> {
        let known = self.statements.iter().position(|known| known.is(sql));
        let at = match known {
            Some(at) => at,
            None => {
                self.statements.push(Statement::prepare(self, sql)?);
                self.statements.len() - 1
            }
        };
        Ok(&mut self.statements[at])
    }

    /// What ends a statement that runs on this connection.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.handle.clone())
    }
}

/// Rolls back on drop what is not committed: also when `work` has failed, or panics.
struct Transaction<'a>(&'a mut Connection);

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SAFETY: the connection is open.
        let is_committed = unsafe { sqlite3_get_autocommit(self.0.raw()) } != 0;
        if !is_committed {
            // What fails here SQLite has rolled back by itself.
            let _ = self.0.execute("ROLLBACK", &[]);
        }
    }
}

/// Ends whatever statement runs on a connection. For any thread, at any time; the connection stays open for as long as this is
/// there.
#[derive(Clone, Debug)]
pub struct Interrupter(Arc<Handle>);

impl Interrupter {
    /// Has the statement that runs now fail soon, if there is one.
    pub fn interrupt(&self) {
        // SAFETY: the connection is open. SQLite allows this on any thread.
        unsafe { sqlite3_interrupt(self.0.0.as_ptr()) };
    }
}
