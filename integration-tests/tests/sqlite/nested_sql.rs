//! SQL functions that run SQL themselves, on the connection that called them.

use crate::connection::Connection;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::time::Duration;

#[test]
fn a_function_queries_its_own_connection() {
    on_worker(1, async {
        let mut db = Connection::in_memory();
        db.run("CREATE TABLE price (item INTEGER PRIMARY KEY, euros INTEGER)")
            .await
            .unwrap();
        db.run("INSERT INTO price VALUES (1, 10), (2, 20), (3, 30)")
            .await
            .unwrap();
        let raw = db.raw();
        db.define(c"price_of", move |item| async move {
            tokio::task::yield_now().await;
            let sql = format!("SELECT euros FROM price WHERE item = {item}");
            // On the task's own stack, while the outer query rests on its C stack.
            let rows = raw.run(&sql).unwrap();
            rows[0].parse().unwrap()
        });
        let rows = db
            .run("SELECT price_of(4 - item) FROM price ORDER BY item")
            .await;
        assert_eq!(rows, Ok(vec!["30".into(), "20".into(), "10".into()]));
    });
}

#[test]
fn queries_nest_through_calls_and_callbacks() {
    let _watchdog = Watchdog::new("nested queries");
    on_worker(1, async {
        let mut db = Connection::in_memory();
        let raw = db.raw();
        db.define(c"factorial", move |n| async move {
            if n == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                return 1;
            }
            let sql = format!("SELECT {n} * factorial({n} - 1)");
            let rows = cede::call(move || raw.run(&sql))
                .named("nested")
                .await
                .unwrap();
            rows[0].parse().unwrap()
        });
        assert_eq!(
            db.run("SELECT factorial(12)").await,
            Ok(vec!["479001600".into()])
        );
        assert_eq!(
            db.run("SELECT factorial(3) * factorial(2)").await,
            Ok(vec!["12".into()])
        );
    });
}
