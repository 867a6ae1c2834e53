//! SQLite in a tokio task, on a runtime with one worker: a SQL function that awaits, a query that
//! keeps C busy for a second, and a heartbeat that goes on all the while.
#![allow(clippy::multiple_unsafe_ops_per_block)] // one answer for all that a function does

use libsqlite3_sys::*;
use std::{ffi::CStr, ffi::c_int, ptr::null_mut as null, time::Duration};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep};

/// What the SQL function `price` does: it waits for a timer, and for another task's answer.
async fn look_up(item: i64) -> Option<i64> {
    sleep(Duration::from_millis(20)).await;
    let (answer, price) = oneshot::channel();
    tokio::spawn(async move { answer.send(100 * item) });
    price.await.ok()
}

/// What SQLite calls. The future is polled by the task that runs the query.
unsafe extern "C" fn price(cx: *mut sqlite3_context, _: c_int, args: *mut *mut sqlite3_value) {
    // SAFETY: SQLite passes one argument, as it was told to.
    let item = unsafe { sqlite3_value_int64(*args) };
    match cede::callback(look_up(item)) {
        // SAFETY: the context is ours until we return.
        Ok(Some(price)) => unsafe { sqlite3_result_int64(cx, price) },
        // SAFETY: as above. SQLite gives the query up by its own rules.
        _ => unsafe { sqlite3_result_error(cx, c"no price to be had".as_ptr(), -1) },
    }
}

/// The number that a query gives. It blocks, as C does.
fn query(sql: &CStr) -> i64 {
    let (mut db, mut rows, name, utf8) = (null(), null(), c"price".as_ptr(), SQLITE_UTF8);
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    // SAFETY: the strings end in NUL; connection and statement are used from open to close.
    unsafe {
        sqlite3_open_v2(c":memory:".as_ptr(), &mut db, flags, null());
        sqlite3_create_function_v2(db, name, 1, utf8, null(), Some(price), None, None, None);
        sqlite3_prepare_v2(db, sql.as_ptr(), -1, &mut rows, null());
        assert_eq!(sqlite3_step(rows), SQLITE_ROW);
        let number = sqlite3_column_int64(rows, 0);
        sqlite3_finalize(rows);
        sqlite3_close(db);
        number
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let prices = c"SELECT sum(price(value)) FROM json_each('[1, 2, 3]')";
    let busy =
        c"WITH n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n LIMIT 4e6) SELECT sum(i) FROM n";
    let queries = tokio::spawn(async move {
        for (what, sql) in [("three prices", prices), ("four million rows", busy)] {
            let start = Instant::now();
            let sum = cede::call(|| query(sql)).named("sqlite3_step").await;
            println!("{what}: {sum}, after {:?} in C", start.elapsed());
        }
    });
    let heart = tokio::spawn(async move {
        let (start, mut beats, mut latest) = (Instant::now(), 0, Duration::ZERO);
        let mut beat = interval(Duration::from_millis(1));
        while !queries.is_finished() {
            latest = latest.max(beat.tick().await.elapsed());
            beats += 1;
        }
        println!("meanwhile: {beats} heartbeats, none more than {latest:?} late");
        assert!(latest < start.elapsed() / 2);
        queries.await.unwrap();
    });
    heart.await.unwrap();
}

#[test]
fn runs() {
    main();
}
