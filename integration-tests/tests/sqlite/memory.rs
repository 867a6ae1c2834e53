//! What SQLite has allocated is freed, however its callbacks end.

use crate::connection::Connection;
use cede_integration_tests::{child, child_task, on_worker};
use futures::FutureExt;
use libsqlite3_sys::sqlite3_memory_used;
use std::panic::AssertUnwindSafe;

/// What SQLite has allocated in this process.
fn used() -> i64 {
    // SAFETY: may be called at any time.
    unsafe { sqlite3_memory_used() }
}

/// Queries that succeed, panic and are refused in the midst of sorting.
async fn ill_fated_queries() {
    let mut db = Connection::in_memory();
    db.run("CREATE TABLE t (i INTEGER, text TEXT)")
        .await
        .unwrap();
    db.define(c"doubt", async |number| {
        tokio::task::yield_now().await;
        assert!(number != 500, "no");
        number
    });
    let series = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 1000)";
    for limit in [400, 600] {
        let sql = format!(
            "{series} INSERT INTO t SELECT doubt(i), hex(zeroblob(100)) FROM n WHERE i < {limit} ORDER BY -i"
        );
        let outcome = AssertUnwindSafe(db.run(&sql)).catch_unwind().await;
        assert_eq!(outcome.is_err(), limit > 500);
        assert!(db.raw().run(&sql).is_err(), "refused outside of a call");
    }
    assert!(used() > 10_000, "the rows take room");
}

#[test]
fn after_panics_and_refusals_nothing_is_left_allocated() {
    const TASK: &str = "ill-fated queries";

    if child_task().as_deref() == Some(TASK) {
        on_worker(1, async {
            // What SQLite keeps for good once it is used.
            ill_fated_queries().await;
            let before = used();
            for _ in 0..5 {
                ill_fated_queries().await;
            }
            assert_eq!(used(), before);
        });
        return;
    }
    // The other tests allocate, too.
    let name = "memory::after_panics_and_refusals_nothing_is_left_allocated";
    let output = child(name, TASK);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
