//! SQLite's log, which is one for the process: nothing else in this process uses SQLite.

use super::record::Lines;
use cede::CLog;
use cede_integration_tests::on_worker;
use libsqlite3_sys as sqlite;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::null_mut;
use std::sync::Once;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Level, info_span};

/// Outside of any span, and of any subscriber.
fn log_sqlite() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let line = |log: &CLog, code: c_int, text: *const c_char| {
            let level = match code & 0xff {
                sqlite::SQLITE_NOTICE => Level::INFO,
                sqlite::SQLITE_WARNING => Level::WARN,
                _ => Level::ERROR,
            };
            // SAFETY: SQLite passes a C string.
            unsafe { log.at(level).code(code).c_str(text) };
        };
        let log = CLog::new("sqlite").callback((), line);
        let (function, data) = (log.data_first(), log.data());
        // SAFETY: SQLite is not in use yet, and the callback is forgotten below.
        let set = unsafe { sqlite::sqlite3_config(sqlite::SQLITE_CONFIG_LOG, function, data) };
        assert_eq!(set, sqlite::SQLITE_OK);
        std::mem::forget(log);
    });
}

/// Runs a statement on a new connection. SQLite's code.
fn exec(sql: &CStr) -> c_int {
    let mut db = null_mut();
    // SAFETY: the name is a C string.
    let code = unsafe { sqlite::sqlite3_open(c":memory:".as_ptr(), &mut db) };
    assert_eq!(code, sqlite::SQLITE_OK);
    // SAFETY: an open connection, and a C string.
    let code = unsafe { sqlite::sqlite3_exec(db, sql.as_ptr(), None, null_mut(), null_mut()) };
    // SAFETY: this function's own connection.
    unsafe { sqlite::sqlite3_close(db) };
    code
}

#[test]
fn what_it_says_is_in_the_span_of_the_task() {
    log_sqlite();
    let (lines, subscriber) = Lines::recorded();
    let calls = async {
        let in_place = cede::call(|| exec(c"SELECT nonsense")).named("in place");
        assert_eq!(in_place.await, sqlite::SQLITE_ERROR);
        let offloaded =
            cede::offload(|| exec(c"CREATE TABLE t (n UNIQUE); INSERT INTO t VALUES (1), (1)"));
        assert_eq!(offloaded.await, sqlite::SQLITE_CONSTRAINT);
        let notice = || {
            // SAFETY: the format has no arguments.
            unsafe { sqlite::sqlite3_log(sqlite::SQLITE_NOTICE, c"just so".as_ptr()) }
        };
        cede::call(notice).await;
    };
    on_worker(
        1,
        async { calls.instrument(info_span!("report")).await }.with_subscriber(subscriber),
    );
    let expected = [
        (
            Level::ERROR,
            sqlite::SQLITE_ERROR,
            "no such column: nonsense",
        ),
        (
            Level::ERROR,
            sqlite::SQLITE_CONSTRAINT_UNIQUE,
            "UNIQUE constraint failed: t.n",
        ),
        (Level::INFO, sqlite::SQLITE_NOTICE, "just so"),
    ];
    let lines = lines.take();
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, (level, code, text)) in lines.iter().zip(expected) {
        assert_eq!(line.target, "cede::c::sqlite");
        assert_eq!((line.level, line.code), (level, Some(code.into())));
        assert!(line.text.contains(text), "{line:?}");
        assert_eq!(line.spans, ["report"]);
    }
}
