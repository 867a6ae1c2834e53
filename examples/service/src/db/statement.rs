//! Prepared statements, their parameters and rows.

use super::Connection;
use super::error::Error;
use libsqlite3_sys::*;
use std::ffi::{c_int, c_uint};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};
use std::slice;

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(&'a str),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

/// A prepared statement, finalized on drop.
#[derive(Debug)]
pub(super) struct Statement {
    sql: &'static str,
    raw: NonNull<sqlite3_stmt>,
}

// SAFETY: a part of its connection, which owns it and goes from thread to thread with it.
unsafe impl Send for Statement {}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: prepared, and finalized once; its connection is open.
        unsafe { sqlite3_finalize(self.raw.as_ptr()) };
    }
}

impl Statement {
    pub(super) fn prepare(db: &Connection, sql: &'static str) -> Result<Self, Error> {
        let mut raw = null_mut();
        let length = c_int::try_from(sql.len()).map_err(|_| Error::of_code(SQLITE_TOOBIG))?;
        let (flags, text): (c_uint, _) = (SQLITE_PREPARE_PERSISTENT, sql.as_ptr().cast());
        // SAFETY: the connection is open, the text has so many bytes, and there is room for the statement.
        let code =
            unsafe { sqlite3_prepare_v3(db.raw(), text, length, flags, &mut raw, null_mut()) };
        match NonNull::new(raw) {
            Some(raw) => Ok(Self { sql, raw }),
            None => {
                db.check(code)?;
                Err(Error::misuse("an empty statement"))
            }
        }
    }

    pub(super) fn is(&self, sql: &'static str) -> bool {
        self.sql == sql
    }

    /// Runs the statement to its end, with these parameters.
    pub(super) fn run(
        &mut self,
        parameters: &[Value<'_>],
        mut each: impl FnMut(&Row<'_>),
    ) -> Result<(), Error> {
        let run = Run(self);
        for (number, parameter) in (1..).zip(parameters) {
            run.bind(number, *parameter)?;
        }
        while let Some(row) = run.step()? {
            each(&row);
        }
        Ok(())
    }
}

/// A statement that runs. It is reset on drop, so that it holds no lock, and is ready for the next.
struct Run<'a>(&'a mut Statement);

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // SAFETY: prepared. The code that it returns is that of the last step, which is known.
        unsafe { sqlite3_reset(self.raw()) };
        // SAFETY: as above.
        unsafe { sqlite3_clear_bindings(self.raw()) };
    }
}

impl Run<'_> {
    fn raw(&self) -> *mut sqlite3_stmt {
        self.0.raw.as_ptr()
    }

    fn failure(&self, code: c_int) -> Error {
        // SAFETY: prepared.
        let db = unsafe { sqlite3_db_handle(self.raw()) };
        // SAFETY: whoever runs a statement has its connection, which is open.
        unsafe { Error::of(code, db) }
    }

    fn bind(&self, number: c_int, parameter: Value<'_>) -> Result<(), Error> {
        let code = match parameter {
            // SAFETY: prepared, and not running.
            Value::Integer(value) => unsafe { sqlite3_bind_int64(self.raw(), number, value) },
            Value::Text(text) => {
                let (start, length) = (text.as_ptr().cast(), text.len() as u64);
                let (copied, utf8) = (SQLITE_TRANSIENT(), SQLITE_UTF8 as u8);
                // SAFETY: as above; so many bytes, of which SQLite makes a copy.
                unsafe { sqlite3_bind_text64(self.raw(), number, start, length, copied, utf8) }
            }
        };
        match code {
            SQLITE_OK => Ok(()),
            code => Err(self.failure(code)),
        }
    }

    fn step(&self) -> Result<Option<Row<'_>>, Error> {
        // SAFETY: prepared, and its parameters are bound.
        match unsafe { sqlite3_step(self.raw()) } {
            SQLITE_ROW => Ok(Some(Row(self.0.raw, PhantomData))),
            SQLITE_DONE => Ok(None),
            code => Err(self.failure(code)),
        }
    }
}

/// A row of a query, until the next one is asked for.
#[derive(Debug)]
pub struct Row<'a>(NonNull<sqlite3_stmt>, PhantomData<&'a Statement>);

impl Row<'_> {
    /// A column as a whole number. 0 where there is none.
    pub fn integer(&self, column: i32) -> i64 {
        // SAFETY: there is a row; SQLite bears columns that are not there.
        unsafe { sqlite3_column_int64(self.0.as_ptr(), column) }
    }

    /// A column as text. Empty where there is none.
    pub fn text(&self, column: i32) -> String {
        // SAFETY: there is a row; SQLite bears columns that are not there.
        let start = unsafe { sqlite3_column_text(self.0.as_ptr(), column) };
        // SAFETY: as above. In this order: the first makes it text.
        let length = unsafe { sqlite3_column_bytes(self.0.as_ptr(), column) };
        // SAFETY: SQLite keeps so many bytes there until the column is asked for again.
        unsafe { text_at(start, length) }
    }
}

/// # Safety
///
/// `start` is null, or there are so many bytes.
pub(super) unsafe fn text_at(start: *const u8, length: c_int) -> String {
    let length = usize::try_from(length).unwrap_or(0);
    if start.is_null() || length == 0 {
        return String::new();
    }
    // SAFETY: by this function's contract.
    let bytes = unsafe { slice::from_raw_parts(start, length) };
    String::from_utf8_lossy(bytes).into_owned()
}
