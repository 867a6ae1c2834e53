//! Queries that go from worker to worker in the midst of C, with connections that are bound to no thread.

use crate::connection::Connection;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{later, workers};
use futures::future::try_join_all;
use libsqlite3_sys::{SQLITE_CONFIG_MULTITHREAD, SQLITE_OK, sqlite3_config};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::Barrier;

/// Mutexes of connections off, for the whole process, if SQLite has not begun yet; every connection of these tests is opened
/// without one anyway.
pub(crate) fn configure() {
    // SAFETY: SQLite refuses this once it has begun.
    let code = unsafe { sqlite3_config(SQLITE_CONFIG_MULTITHREAD) };
    assert!(code == SQLITE_OK || code == libsqlite3_sys::SQLITE_MISUSE);
}

fn thread() -> i32 {
    // SAFETY: always succeeds.
    unsafe { libc::gettid() }
}

/// A connection whose function `price` waits, and says on how many threads it was asked and answered.
fn shop(moved: &Arc<AtomicUsize>, all_ask: &Arc<Barrier>) -> Connection {
    let mut db = Connection::in_memory();
    let (moved, all_ask) = (moved.clone(), all_ask.clone());
    db.define(c"price", move |item| {
        let (moved, all_ask) = (moved.clone(), all_ask.clone());
        let asked_on = thread();
        async move {
            if item == 1 {
                all_ask.wait().await;
            }
            later().await;
            // C goes on on the thread that polls this to its end.
            moved.fetch_add(usize::from(thread() != asked_on), SeqCst);
            100 * item
        }
    });
    db
}

#[test]
fn many_queries_wait_on_few_threads_and_move() {
    const QUERIES: usize = 300;
    const ITEMS: i64 = 20;

    let _watchdog = Watchdog::new("migrating queries");
    configure();
    for count in [1, 2, 8] {
        let moved = Arc::new(AtomicUsize::new(0));
        // All are in C before any goes on, though workers are few.
        let all_ask = Arc::new(Barrier::new(QUERIES));
        let shops = (0..QUERIES).map(|_| shop(&moved, &all_ask));
        let queries = shops.map(|db| {
            tokio_task(async move {
                let raw = db.raw();
                let sql = format!(
                    "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT {ITEMS}) \
                     SELECT sum(price(i)) FROM n ORDER BY price(1)"
                );
                let query = cede::call(move || raw.run(&sql)).named("sqlite3_step");
                // SAFETY: without mutexes of connections SQLite holds nothing of its thread's while it calls a function; the
                // connection is closed after the query, by its task.
                unsafe { query.stack_size(256 << 10).migratable() }.await
            })
        });
        let queries: Vec<_> = queries.collect();
        let rows = workers(count).block_on(async {
            try_join_all(queries.into_iter().map(tokio::spawn))
                .await
                .unwrap()
        });
        for rows in rows {
            assert_eq!(rows, Ok(vec![(100 * ITEMS * (ITEMS + 1) / 2).to_string()]));
        }
        let moved = moved.load(SeqCst);
        assert!(count == 1 || moved > 0, "{moved} moves on {count} workers");
    }
}

/// A future to be spawned later.
fn tokio_task<F: Future<Output: Send> + Send>(future: F) -> F {
    future
}
