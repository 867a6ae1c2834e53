//! A panic in a SQL function: SQLite rolls the statement back, and only then the panic goes on.

use crate::connection::Connection;
use cede_integration_tests::on_worker;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[test]
fn sqlite_gives_up_by_its_own_rules_before_the_panic_goes_on() {
    on_worker(1, async {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut db = Connection::in_memory();
        db.run("CREATE TABLE t (i INTEGER)").await.unwrap();
        db.define(c"three_at_most", {
            let calls = calls.clone();
            move |number| {
                let calls = calls.clone();
                async move {
                    tokio::task::yield_now().await;
                    assert!(calls.fetch_add(1, SeqCst) < 3, "one too many");
                    number
                }
            }
        });
        let insert = "INSERT INTO t SELECT three_at_most(value) FROM json_each('[1,2,3,4,5,6]')";
        let panic = AssertUnwindSafe(db.run(insert))
            .catch_unwind()
            .await
            .unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"one too many"));
        assert_eq!(calls.load(SeqCst), 4);

        let rows = db.run("SELECT count(*) FROM t").await;
        assert_eq!(rows.unwrap(), ["0"], "the statement is rolled back");
        calls.store(0, SeqCst);
        let rows = db.run("SELECT three_at_most(8)").await;
        assert_eq!(rows.unwrap(), ["8"], "the connection goes on");
        // Closing it asserts that no statement was left open.
    });
}
