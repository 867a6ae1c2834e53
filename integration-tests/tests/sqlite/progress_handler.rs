//! Progress handlers that await, and that end a query.

use crate::connection::Connection;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use libsqlite3_sys::SQLITE_INTERRUPT;
use tokio::sync::{mpsc, oneshot};

#[test]
fn a_task_of_the_same_worker_ends_an_endless_query() {
    let _watchdog = Watchdog::new("progress handler");
    on_worker(1, async {
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<bool>>(1);
        let overseer = tokio::spawn(async move {
            for _ in 0..10 {
                asked.recv().await.unwrap().send(false).unwrap();
            }
            asked.recv().await.unwrap().send(true).unwrap();
            asked
        });
        let mut db = Connection::in_memory();
        db.on_progress(move || {
            let ask = ask.clone();
            async move {
                let (stop, told_to) = oneshot::channel();
                // Nobody to ask: go on.
                let asked = ask.send(stop).await;
                asked.is_ok() && told_to.await.unwrap()
            }
        });
        let endless = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n)";
        let failure = db
            .run(&format!("{endless} SELECT count(*) FROM n"))
            .await
            .unwrap_err();
        assert_eq!(failure.code, SQLITE_INTERRUPT);
        drop(overseer.await.unwrap());
        let limited = format!("SELECT count(*) FROM ({endless} SELECT i FROM n LIMIT 10000)");
        assert_eq!(
            db.run(&limited).await,
            Ok(vec!["10000".into()]),
            "and none but that"
        );
    });
}
