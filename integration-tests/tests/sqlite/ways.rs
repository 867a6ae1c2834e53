//! Each way to run C gives the same rows.

use crate::connection::Connection;
use crate::exec::{COUNT, exec};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use libsqlite3_sys::SQLITE_OK;
use std::ffi::c_int;
use std::future::Future;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Has `spawn` start a task that sends the rows of [`COUNT`], and checks that they arrive.
async fn rows_arrive<Fut>(start: impl FnOnce(Box<dyn FnOnce() -> c_int + Send>) -> Fut)
where
    Fut: Future<Output = c_int> + Send + 'static,
{
    let (send, mut rows) = mpsc::channel(1);
    let db = Connection::in_memory();
    let raw = db.raw();
    let query: JoinHandle<c_int> = tokio::spawn(start(Box::new(move || exec(raw, COUNT, &send))));
    for expected in 1..=100 {
        assert_eq!(rows.recv().await, Some(expected));
    }
    assert_eq!(rows.recv().await, None);
    assert_eq!(query.await.unwrap(), SQLITE_OK);
}

#[test]
fn rows_wait_for_their_reader_whichever_way_c_is_run() {
    let _watchdog = Watchdog::new("ways to run C");
    on_worker(1, async {
        rows_arrive(|run| cede::call(run)).await;
        rows_arrive(|run| cede::call(run).long()).await;
        rows_arrive(|run| cede::call(run).brief()).await;
        rows_arrive(|run| cede::call(run).on_thread_stack()).await;
        rows_arrive(|run| cede::call(run).suspendable()).await;
        rows_arrive(|run| cede::scope(cede::call(run))).await;
    });
}
