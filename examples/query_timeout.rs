//! A query with a deadline: when it passes, `sqlite3_interrupt` ends the query, and the connection lives on.
#![allow(clippy::multiple_unsafe_ops_per_block)] // one answer for all that a function does

use libsqlite3_sys::*;
use std::{ffi::CStr, ptr::null_mut as null, time::Duration};
use tokio::time::{Instant, timeout};

/// A connection that any thread may use, one at a time.
#[derive(Clone, Copy)]
struct Db(*mut sqlite3);

// SAFETY: opened without a mutex, and used by one call at a time; interrupted from any thread, as SQLite allows.
unsafe impl Send for Db {}

impl Db {
    fn open() -> Self {
        let (mut db, flags) = (null(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX);
        // SAFETY: the name ends in NUL, and there is room for the connection.
        let code = unsafe { sqlite3_open_v2(c":memory:".as_ptr(), &mut db, flags, null()) };
        assert_eq!(code, SQLITE_OK);
        Self(db)
    }

    /// The number that a query gives, or SQLite's code. It blocks, as C does.
    fn query(self, sql: &CStr) -> Result<i64, i32> {
        let mut rows = null();
        // SAFETY: the connection is open, the text ends in NUL, the statement is used until it is finalized.
        unsafe {
            sqlite3_prepare_v2(self.0, sql.as_ptr(), -1, &mut rows, null());
            let result = match sqlite3_step(rows) {
                SQLITE_ROW => Ok(sqlite3_column_int64(rows, 0)),
                code => Err(code),
            };
            sqlite3_finalize(rows);
            result
        }
    }

    fn interrupt(self) {
        // SAFETY: the connection is open while a query is at it.
        unsafe { sqlite3_interrupt(self.0) }
    }
}

#[tokio::main]
async fn main() {
    let db = Db::open();
    let endless = c"WITH n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let start = Instant::now();
    let query = cede::offload(move || db.query(endless))
        .named("sqlite3_step")
        .on_cancel(cede::Cancel::interrupt(move || db.interrupt()));
    let answer = timeout(Duration::from_millis(50), query).await;
    println!("{answer:?} after {:?}", start.elapsed());
    assert!(answer.is_err());

    // The connection is ours again when C has returned.
    let start = Instant::now();
    cede::drain(Duration::from_secs(10))
        .await
        .expect("interrupted");
    println!("the query is gone {:?} later", start.elapsed());

    let short = cede::offload(move || db.query(c"SELECT 6 * 7"));
    assert_eq!(short.named("sqlite3_step").await, Ok(42));
    // SAFETY: nobody uses it any more.
    assert_eq!(unsafe { sqlite3_close(db.0) }, SQLITE_OK);
}

#[test]
fn runs() {
    main();
}
