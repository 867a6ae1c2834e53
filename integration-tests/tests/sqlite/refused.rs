//! A refused callback is an error of SQLite's own, and the connection goes on.

use crate::connection::{Connection, Failure};
use cede::Refused;
use cede_integration_tests::{on_current_thread, on_worker};
use libsqlite3_sys::{SQLITE_BUSY, SQLITE_ERROR, SQLITE_INTERRUPT};
use std::ffi::CString;
use std::fs::remove_file;
use std::future::ready;

fn connection() -> Connection {
    let mut db = Connection::in_memory();
    db.define(c"later", async |number| {
        tokio::task::yield_now().await;
        number
    });
    db
}

fn refusal(why: Refused) -> Failure {
    Failure {
        code: SQLITE_ERROR,
        message: why.to_string(),
    }
}

#[test]
fn a_query_outside_of_a_call_fails() {
    on_worker(1, async {
        let mut db = connection();
        assert_eq!(
            db.raw().run("SELECT later(1)"),
            Err(refusal(Refused::NoCall))
        );
        assert_eq!(db.run("SELECT later(1)").await.unwrap(), ["1"]);
    });
}

#[test]
fn a_plain_call_on_a_current_thread_runtime_fails_and_a_suspendable_one_does_not() {
    on_current_thread(async {
        let mut db = connection();
        let rows = db.run("SELECT later(1)").await;
        assert_eq!(rows, Err(refusal(Refused::WouldStarve)));
        let raw = db.raw();
        let rows = cede::call(move || raw.run("SELECT later(1)"))
            .suspendable()
            .await;
        assert_eq!(rows.unwrap(), ["1"]);
        assert_eq!(db.run("SELECT 2").await.unwrap(), ["2"]);
    });
}

#[test]
fn a_refused_progress_handler_interrupts_the_query() {
    on_worker(1, async {
        let mut db = Connection::in_memory();
        db.on_progress(|| ready(false));
        let long = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 1000) \
            SELECT count(*) FROM n";
        let failure = db.raw().run(long).unwrap_err();
        assert_eq!(failure.code, SQLITE_INTERRUPT);
        assert_eq!(db.run(long).await.unwrap(), ["1000"]);
    });
}

#[test]
fn a_refused_busy_handler_leaves_the_database_busy() {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/refused_busy_handler.db");
    // Left over from a run that failed.
    let _ = remove_file(path);
    let name = CString::new(path).unwrap();
    on_worker(1, async move {
        let mut first = Connection::open(&name);
        let mut second = Connection::open(&name);
        second.on_busy(|_| ready(true));
        first.run("BEGIN EXCLUSIVE").await.unwrap();
        // Granted, it would try again for ever.
        let failure = second.raw().run("CREATE TABLE t (i)").unwrap_err();
        assert_eq!(failure.code, SQLITE_BUSY);
        first.run("COMMIT").await.unwrap();
        second.run("CREATE TABLE t (i)").await.unwrap();
    });
    remove_file(path).unwrap();
}
