//! Hooks of a transaction: each change, the commit and the rollback are told to another task, which
//! has a say in the commit.

use crate::connection::{Connection, text_of};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use libsqlite3_sys::*;
use std::ffi::{c_char, c_int, c_void};
use std::panic::AssertUnwindSafe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// What a connection tells.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Changed(String, i64),
    Committing,
    RolledBack,
}

/// Each piece of news, with what to do about it: whether to go on.
type Wire = mpsc::Sender<(News, oneshot::Sender<bool>)>;

async fn tell(wire: &Wire, news: News) -> bool {
    let (answer, answered) = oneshot::channel();
    wire.send((news, answer)).await.expect("somebody listens");
    answered.await.expect("whoever listens answers")
}

/// # Safety
///
/// `wire` is what `hooked` registers.
unsafe fn wire<'a>(wire: *mut c_void) -> &'a Wire {
    // SAFETY: by this function's contract. The connection keeps it.
    unsafe { &*wire.cast::<Wire>() }
}

unsafe extern "C" fn on_update(
    data: *mut c_void,
    _: c_int,
    _: *const c_char,
    table: *const c_char,
    row: i64,
) {
    // SAFETY: registered by `hooked`.
    let wire = unsafe { wire(data) };
    // SAFETY: SQLite's names end in NUL.
    let table = unsafe { text_of(table) };
    // SQLite does not listen to this hook.
    let _ = cede::callback(tell(wire, News::Changed(table, row)));
}

unsafe extern "C" fn on_commit(data: *mut c_void) -> c_int {
    // SAFETY: registered by `hooked`.
    let wire = unsafe { wire(data) };
    // Refused: the transaction is rolled back.
    let goes_on = cede::callback(tell(wire, News::Committing)).unwrap_or(false);
    c_int::from(!goes_on)
}

unsafe extern "C" fn on_rollback(data: *mut c_void) {
    // SAFETY: registered by `hooked`.
    let wire = unsafe { wire(data) };
    // SQLite does not listen to this hook.
    let _ = cede::callback(tell(wire, News::RolledBack));
}

async fn hooked(wire: Wire) -> Connection {
    let mut db = Connection::in_memory();
    db.run("CREATE TABLE t (i INTEGER PRIMARY KEY)")
        .await
        .unwrap();
    let (raw, data) = (db.raw().0, db.keep(wire));
    // SAFETY: the hooks are for a wire, which the connection keeps.
    unsafe { sqlite3_update_hook(raw, Some(on_update), data) };
    // SAFETY: as above.
    unsafe { sqlite3_commit_hook(raw, Some(on_commit), data) };
    // SAFETY: as above.
    unsafe { sqlite3_rollback_hook(raw, Some(on_rollback), data) };
    db
}

/// A task that writes down what it is told, and lets so many commits pass.
fn listen(mut commits: usize) -> (Wire, JoinHandle<Vec<News>>) {
    let (wire, mut told) = mpsc::channel::<(News, oneshot::Sender<bool>)>(1);
    let listening = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some((news, answer)) = told.recv().await {
            let goes_on = news != News::Committing || commits > 0;
            commits -= usize::from(news == News::Committing && goes_on);
            answer.send(goes_on).unwrap();
            all.push(news);
        }
        all
    });
    (wire, listening)
}

fn changed(row: i64) -> News {
    News::Changed("t".into(), row)
}

#[test]
fn a_task_of_the_same_worker_hears_of_everything_and_vetoes_a_commit() {
    let _watchdog = Watchdog::new("hooks");
    on_worker(1, async {
        let (wire, listening) = listen(1);
        let mut db = hooked(wire).await;
        db.run("INSERT INTO t VALUES (1), (2)").await.unwrap();
        let failure = db.run("INSERT INTO t VALUES (3)").await.unwrap_err();
        assert_eq!(failure.code, SQLITE_CONSTRAINT);
        assert_eq!(db.run("SELECT count(*) FROM t").await.unwrap(), ["2"]);
        drop(db);
        let news = listening.await.unwrap();
        let first = [changed(1), changed(2), News::Committing];
        let second = [changed(3), News::Committing, News::RolledBack];
        assert!(news.into_iter().eq(first.into_iter().chain(second)));
    });
}

#[test]
fn a_panic_before_the_commit_rolls_back_and_tells_nobody() {
    on_worker(1, async {
        let (wire, told) = mpsc::channel(1);
        let mut db = hooked(wire).await;
        drop(told);
        let insert = AssertUnwindSafe(db.run("INSERT INTO t VALUES (1)"));
        let panic = insert.catch_unwind().await.unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.starts_with("somebody listens"), "{message}");
        assert_eq!(db.run("SELECT count(*) FROM t").await.unwrap(), ["0"]);
    });
}

#[test]
fn a_refused_commit_hook_rolls_back() {
    on_worker(1, async {
        let (wire, listening) = listen(usize::MAX);
        let mut db = hooked(wire).await;
        let failure = db.raw().run("INSERT INTO t VALUES (1)").unwrap_err();
        assert_eq!(failure.code, SQLITE_CONSTRAINT);
        assert_eq!(db.run("SELECT count(*) FROM t").await.unwrap(), ["0"]);
        drop(db);
        assert_eq!(listening.await.unwrap(), []);
    });
}
