//! `sqlite3_exec`: each row is handed over in a callback, which may have to wait for its reader.

use crate::connection::{Connection, Raw, text_of};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use libsqlite3_sys::*;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;
use tokio::sync::mpsc;

pub(crate) type Rows = mpsc::Sender<i64>;

unsafe extern "C" fn row(
    rows: *mut c_void,
    _: c_int,
    columns: *mut *mut c_char,
    _: *mut *mut c_char,
) -> c_int {
    // SAFETY: `exec` hands over the sender, which outlives the statement.
    let rows = unsafe { &*rows.cast::<Rows>() };
    // SAFETY: there is a first column.
    let column = unsafe { *columns };
    // SAFETY: its text ends in NUL.
    let number = unsafe { text_of(column) }.parse().unwrap();
    let sent = cede::callback(rows.send(number));
    c_int::from(!matches!(sent, Ok(Ok(()))))
}

/// Runs a statement whose rows are numbers. It blocks, as C does.
pub(crate) fn exec(db: Raw, sql: &CStr, rows: &Rows) -> c_int {
    let data = (&raw const *rows).cast_mut().cast();
    // SAFETY: the connection is open, the text ends in NUL, the trampoline is for what `rows` is, and no message is wanted.
    unsafe { sqlite3_exec(db.0, sql.as_ptr(), Some(row), data, null_mut()) }
}

pub(crate) const COUNT: &CStr =
    c"WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 100) SELECT i FROM n";

#[test]
fn rows_wait_for_room_in_a_bounded_channel() {
    let _watchdog = Watchdog::new("exec");
    on_worker(1, async {
        let db = Connection::in_memory();
        let raw = db.raw();
        let (send, mut rows) = mpsc::channel(1);
        let query = tokio::spawn(async move { cede::call(move || exec(raw, COUNT, &send)).await });
        let mut received = Vec::new();
        while let Some(number) = rows.recv().await {
            received.push(number);
        }
        assert_eq!(query.await.unwrap(), SQLITE_OK);
        assert!(received.into_iter().eq(1..=100));
    });
}

#[test]
fn a_reader_that_leaves_aborts_the_statement() {
    let _watchdog = Watchdog::new("aborted exec");
    on_worker(1, async {
        let mut db = Connection::in_memory();
        let raw = db.raw();
        let (send, mut rows) = mpsc::channel(1);
        let query = tokio::spawn(async move { cede::call(move || exec(raw, COUNT, &send)).await });
        assert_eq!(rows.recv().await, Some(1));
        drop(rows);
        assert_eq!(query.await.unwrap(), SQLITE_ABORT);
        assert_eq!(db.run("SELECT 1").await.unwrap(), ["1"]);
    });
}

#[test]
fn a_refused_row_aborts_the_statement() {
    on_worker(1, async {
        let db = Connection::in_memory();
        let (send, mut rows) = mpsc::channel(1);
        assert_eq!(exec(db.raw(), COUNT, &send), SQLITE_ABORT);
        drop(send);
        assert_eq!(rows.recv().await, None);
    });
}
