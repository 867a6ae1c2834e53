//! Aggregates whose every step awaits, and whose result does.

use crate::connection::Connection;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use libsqlite3_sys::*;
use std::ffi::c_int;
use std::panic::AssertUnwindSafe;
use tokio::sync::{mpsc, oneshot};

/// What a ledger is told: an amount, or the question what all of an account comes to.
enum Entry {
    Add(usize, i64, oneshot::Sender<()>),
    Close(usize, oneshot::Sender<i64>),
}

/// A task that keeps the sums. An account is known by the address that SQLite gives a group.
type Ledger = mpsc::Sender<Entry>;

fn ledger() -> Ledger {
    let (entries, mut entered) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut sums = std::collections::HashMap::new();
        while let Some(entry) = entered.recv().await {
            match entry {
                Entry::Add(account, amount, done) => {
                    *sums.entry(account).or_insert(0) += amount;
                    done.send(()).unwrap();
                }
                Entry::Close(account, sum) => sum.send(sums.remove(&account).unwrap_or(0)).unwrap(),
            }
        }
    });
    entries
}

async fn add(ledger: &Ledger, account: usize, amount: i64) {
    assert!(amount >= 0, "a debt");
    let (done, added) = oneshot::channel();
    let entry = Entry::Add(account, amount, done);
    assert!(ledger.send(entry).await.is_ok());
    added.await.unwrap();
}

async fn close(ledger: &Ledger, account: usize) -> i64 {
    let (sum, closed) = oneshot::channel();
    assert!(ledger.send(Entry::Close(account, sum)).await.is_ok());
    closed.await.unwrap()
}

/// # Safety
///
/// `context` is an aggregate's, registered with a ledger.
unsafe fn ledger_of<'a>(context: *mut sqlite3_context) -> &'a Ledger {
    // SAFETY: by this function's contract.
    let data = unsafe { sqlite3_user_data(context) };
    // SAFETY: as above; the connection keeps it.
    unsafe { &*data.cast::<Ledger>() }
}

unsafe extern "C" fn step(
    context: *mut sqlite3_context,
    _: c_int,
    arguments: *mut *mut sqlite3_value,
) {
    // SAFETY: the context is ours until we return.
    let ledger = unsafe { ledger_of(context) };
    // SAFETY: as above. SQLite makes room for a byte for each group.
    let account = unsafe { sqlite3_aggregate_context(context, 1) } as usize;
    // SAFETY: registered with one argument.
    let amount = unsafe { *arguments };
    // SAFETY: SQLite's own value.
    let amount = unsafe { sqlite3_value_int64(amount) };
    if cede::callback(add(ledger, account, amount)).is_err() {
        // SAFETY: the context is ours still.
        unsafe { sqlite3_result_error_code(context, SQLITE_ABORT) };
    }
}

unsafe extern "C" fn result(context: *mut sqlite3_context) {
    // SAFETY: the context is ours until we return.
    let ledger = unsafe { ledger_of(context) };
    // SAFETY: as above. No room is made where there was no step.
    let account = unsafe { sqlite3_aggregate_context(context, 0) } as usize;
    match cede::callback(close(ledger, account)) {
        // SAFETY: the context is ours still.
        Ok(sum) => unsafe { sqlite3_result_int64(context, sum) },
        // SAFETY: as above.
        Err(_) => unsafe { sqlite3_result_error_code(context, SQLITE_ABORT) },
    }
}

fn connection() -> Connection {
    let mut db = Connection::in_memory();
    let ledger = db.keep(ledger());
    let name = c"total_of".as_ptr();
    let (step, result) = (Some(step as _), Some(result as _));
    // SAFETY: step and result are for a ledger, which the connection keeps.
    let code = unsafe {
        sqlite3_create_function_v2(
            db.raw().0,
            name,
            1,
            SQLITE_UTF8,
            ledger,
            None,
            step,
            result,
            None,
        )
    };
    assert_eq!(code, SQLITE_OK);
    db
}

#[test]
fn groups_are_summed_by_a_task_of_the_same_worker() {
    let _watchdog = Watchdog::new("aggregate");
    on_worker(1, async {
        let mut db = connection();
        let rows = db
            .run("SELECT total_of(value) FROM json_each('[1,2,3,4,5,6]') GROUP BY value % 3")
            .await;
        assert_eq!(rows.unwrap(), ["9", "5", "7"]);
        let rows = db.run("SELECT total_of(1) WHERE 0").await;
        assert_eq!(rows.unwrap(), ["0"]);
    });
}

#[test]
fn a_panic_in_a_step_ends_the_statement_first() {
    on_worker(1, async {
        let mut db = connection();
        let query = db.run("SELECT total_of(value) FROM json_each('[1,-1,1]')");
        let panic = AssertUnwindSafe(query).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a debt"));
        let rows = db
            .run("SELECT total_of(value) FROM json_each('[1,1]')")
            .await;
        assert_eq!(rows.unwrap(), ["2"]);
    });
}

#[test]
fn a_refused_step_is_sqlites_own_error() {
    on_worker(1, async {
        let db = connection();
        let failure = db.raw().run("SELECT total_of(1)").unwrap_err();
        assert_eq!(failure.code, SQLITE_ABORT);
    });
}
