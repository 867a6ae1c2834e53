//! Collations that await.

use crate::connection::Connection;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::cmp::Ordering;
use tokio::sync::{mpsc, oneshot};

#[test]
fn a_task_of_the_same_worker_decides_the_order() {
    let _watchdog = Watchdog::new("collation");
    on_worker(1, async {
        let (ask, mut asked) = mpsc::channel::<(String, String, oneshot::Sender<Ordering>)>(1);
        tokio::spawn(async move {
            while let Some((a, b, answer)) = asked.recv().await {
                let order = (a.len(), a).cmp(&(b.len(), b));
                answer.send(order).unwrap();
            }
        });
        let mut db = Connection::in_memory();
        db.collate(c"shortest_first", move |a, b| {
            let ask = ask.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                ask.send((a, b, answer)).await.unwrap();
                answered.await.unwrap()
            }
        });
        db.run("CREATE TABLE t (word TEXT COLLATE shortest_first)")
            .await
            .unwrap();
        db.run("CREATE INDEX i ON t (word)").await.unwrap();
        db.run("INSERT INTO t VALUES ('pear'), ('fig'), ('banana'), ('apple'), ('kiwi')")
            .await
            .unwrap();
        let rows = db.run("SELECT word FROM t ORDER BY word").await.unwrap();
        assert_eq!(rows, ["fig", "kiwi", "pear", "apple", "banana"]);
        let rows = db
            .run("SELECT word FROM t WHERE word > 'zzz' ORDER BY word DESC")
            .await;
        assert_eq!(rows.unwrap(), ["banana", "apple", "pear", "kiwi"]);
    });
}
