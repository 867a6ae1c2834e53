//! Authorizers that await: who may read what is another task's decision, taken while a statement is
//! being compiled.

use crate::connection::{Connection, text_of};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use libsqlite3_sys::*;
use std::ffi::{c_char, c_int, c_void};
use std::panic::AssertUnwindSafe;
use tokio::sync::{mpsc, oneshot};

/// Columns that somebody wants to read, with the verdict.
type Desk = mpsc::Sender<(String, oneshot::Sender<c_int>)>;

async fn may_read(desk: &Desk, column: String) -> c_int {
    let (verdict, decided) = oneshot::channel();
    desk.send((column, verdict))
        .await
        .expect("the desk is open");
    decided.await.expect("the desk decides")
}

unsafe extern "C" fn authorize(
    desk: *mut c_void,
    action: c_int,
    _table: *const c_char,
    column: *const c_char,
    _: *const c_char,
    _: *const c_char,
) -> c_int {
    if action != SQLITE_READ {
        return SQLITE_OK;
    }
    // SAFETY: registered with a desk, which the connection keeps.
    let desk = unsafe { &*desk.cast::<Desk>() };
    // SAFETY: SQLite's names end in NUL.
    let column = unsafe { text_of(column) };
    cede::callback(may_read(desk, column)).unwrap_or(SQLITE_DENY)
}

/// A table of which some columns may be read.
async fn guarded() -> Connection {
    let mut db = Connection::in_memory();
    for statement in [
        "CREATE TABLE person (name TEXT, salary INTEGER, secret TEXT, curse TEXT)",
        "INSERT INTO person VALUES ('Ada', 100, 'x', 'y')",
    ] {
        db.run(statement).await.unwrap();
    }
    let (desk, mut wanted) = mpsc::channel::<(String, oneshot::Sender<c_int>)>(1);
    tokio::spawn(async move {
        while let Some((column, verdict)) = wanted.recv().await {
            match &*column {
                "name" => verdict.send(SQLITE_OK).unwrap(),
                "salary" => verdict.send(SQLITE_IGNORE).unwrap(),
                "curse" => drop(verdict),
                _ => verdict.send(SQLITE_DENY).unwrap(),
            }
        }
    });
    let (raw, desk) = (db.raw().0, db.keep(desk));
    // SAFETY: the authorizer is for a desk, which the connection keeps.
    let code = unsafe { sqlite3_set_authorizer(raw, Some(authorize), desk) };
    assert_eq!(code, SQLITE_OK);
    db
}

#[test]
fn a_task_of_the_same_worker_decides_what_is_read() {
    let _watchdog = Watchdog::new("authorizer");
    on_worker(1, async {
        let mut db = guarded().await;
        assert_eq!(db.run("SELECT name FROM person").await.unwrap(), ["Ada"]);
        let ignored = db.run("SELECT salary IS NULL FROM person").await;
        assert_eq!(ignored.unwrap(), ["1"]);
        let failure = db.run("SELECT secret FROM person").await.unwrap_err();
        assert_eq!(failure.code, SQLITE_AUTH);
        assert!(failure.message.contains("person.secret"), "{failure:?}");
    });
}

#[test]
fn refused_or_panicking_nothing_is_read() {
    on_worker(1, async {
        let mut db = guarded().await;
        let failure = db.raw().run("SELECT name FROM person").unwrap_err();
        assert_eq!(failure.code, SQLITE_AUTH);
        let curse = AssertUnwindSafe(db.run("SELECT curse FROM person"));
        let panic = curse.catch_unwind().await.unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.starts_with("the desk decides"), "{message}");
        assert_eq!(db.run("SELECT name FROM person").await.unwrap(), ["Ada"]);
    });
}
