//! Busy handlers that await: a writer waits in C for the commit of another task.

use crate::connection::Connection;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::ffi::CString;
use std::fs::remove_file;
use tokio::sync::{mpsc, oneshot};

#[test]
fn a_writer_waits_for_a_commit_on_the_same_worker() {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/busy_handler.db");
    // Left over from a run that failed.
    let _ = remove_file(path);
    let name = CString::new(path).unwrap();
    let _watchdog = Watchdog::new("busy handler");
    on_worker(1, async move {
        let mut first = Connection::open(&name);
        let mut second = Connection::open(&name);
        let (wait, mut waiting) = mpsc::channel::<oneshot::Sender<bool>>(1);
        second.on_busy(move |_times| {
            let wait = wait.clone();
            async move {
                let (committed, commit) = oneshot::channel();
                wait.send(committed).await.unwrap();
                commit.await.unwrap()
            }
        });
        first.run("CREATE TABLE t (i INTEGER)").await.unwrap();
        first.run("BEGIN IMMEDIATE").await.unwrap();
        first.run("INSERT INTO t VALUES (1)").await.unwrap();
        let second = tokio::spawn(async move {
            second
                .run("INSERT INTO t SELECT count(*) + 10 FROM t")
                .await
                .unwrap();
            second
        });
        // The second writer is in C now.
        let committed = waiting.recv().await.unwrap();
        first.run("COMMIT").await.unwrap();
        committed.send(true).unwrap();
        drop(second.await.unwrap());
        let rows = first.run("SELECT i FROM t ORDER BY i").await;
        assert_eq!(rows.unwrap(), ["1", "11"]);
    });
    remove_file(path).unwrap();
}
