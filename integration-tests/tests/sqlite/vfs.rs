//! Databases on a disk that is a task: SQLite's reads and writes await.

mod disk;
mod file;
mod system;

use crate::connection::{Connection, Rows};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_current_thread, on_worker};
use disk::Disk;
use futures::FutureExt;
use futures::future::join_all;
use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;
use system::System;

/// With a cache so small that rows go to the disk and come back within a statement.
const SCHEMA: [&str; 3] = [
    "PRAGMA cache_size = 5",
    "CREATE TABLE t (i INTEGER PRIMARY KEY, number INTEGER, padding BLOB)",
    "CREATE INDEX by_number ON t (number)",
];
const FILL: &str = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 300) \
    INSERT INTO t SELECT i, 7919 * i % 1009, zeroblob(100) FROM n";
const SUM: &str = "SELECT sum(number) FROM t";

/// Opens a database: SQLite looks at the file at once.
async fn open(name: &CStr, vfs: &CStr) -> Connection {
    cede::call(|| Connection::open_on(name, Some(vfs))).await
}

async fn filled(name: &CStr, vfs: &CStr) -> Connection {
    let mut db = open(name, vfs).await;
    for statement in SCHEMA.into_iter().chain([FILL]) {
        db.run(statement).await.unwrap();
    }
    db
}

/// What [`FILL`] comes to.
fn sum() -> String {
    let sum: u32 = (1..=300).map(|i| 7919 * i % 1009).sum();
    sum.to_string()
}

async fn assert_whole(db: &mut Connection) {
    assert_eq!(db.run("PRAGMA integrity_check").await.unwrap(), ["ok"]);
    assert_eq!(db.run(SUM).await.unwrap(), [sum()]);
}

#[test]
fn databases_live_on_a_task_of_the_same_worker() {
    const DATABASES: usize = 8;

    let _watchdog = Watchdog::new("disk");
    on_worker(1, async {
        let (disk, spinning) = Disk::for_at_least(DATABASES);
        let system = System::new(c"disk", disk);
        let databases = (0..DATABASES).map(|i| {
            tokio::spawn(async move {
                let name = CString::new(format!("/{i}.db")).unwrap();
                assert_whole(&mut filled(&name, c"disk").await).await;
                // What another connection finds is what was written, not what was kept.
                assert_whole(&mut open(&name, c"disk").await).await;
            })
        });
        for database in join_all(databases).await {
            database.unwrap();
        }
        drop(system);
        let files = spinning.await.unwrap();
        assert_eq!(files.len(), DATABASES, "no journal is left");
        let headers = files.values().map(|file| &file[..16]);
        assert!(
            headers
                .into_iter()
                .all(|header| header == b"SQLite format 3\0")
        );
    });
}

#[test]
fn databases_on_one_thread_wait_for_the_disk_at_once() {
    const DATABASES: usize = 8;

    /// All that a connection does, in C from beginning to end.
    fn use_database(name: &CStr) -> (Rows, Rows) {
        let db = Connection::open_on(name, Some(c"shared"));
        for statement in SCHEMA.into_iter().chain([FILL]) {
            db.raw().run(statement).unwrap();
        }
        (db.raw().run(SUM), db.raw().run("PRAGMA integrity_check"))
    }

    let _watchdog = Watchdog::new("disk of one thread");
    on_current_thread(async {
        let (disk, _spinning) = Disk::for_at_least(DATABASES);
        let system = System::new(c"shared", disk);
        let databases = (0..DATABASES).map(|i| {
            let name = CString::new(format!("/{i}.db")).unwrap();
            cede::call(move || use_database(&name)).suspendable()
        });
        for outcome in join_all(databases).await {
            assert_eq!(outcome, (Ok(vec![sum()]), Ok(vec!["ok".into()])));
        }
        drop(system);
    });
}

#[test]
fn databases_move_from_worker_to_worker_while_they_wait_for_the_disk() {
    const DATABASES: usize = 24;

    /// All that a connection does, in C from beginning to end, and how often it went on on another thread.
    fn use_database(name: &CStr) -> (Rows, Rows, bool) {
        // SAFETY: always succeeds.
        let thread = || unsafe { libc::gettid() };
        let mut seen = vec![thread()];
        let db = Connection::open_on(name, Some(c"moving"));
        for statement in SCHEMA.into_iter().chain([FILL]) {
            db.raw().run(statement).unwrap();
            seen.push(thread());
        }
        let (sum, check) = (db.raw().run(SUM), db.raw().run("PRAGMA integrity_check"));
        seen.push(thread());
        seen.dedup();
        (sum, check, seen.len() > 1)
    }

    let _watchdog = Watchdog::new("disk of moving databases");
    crate::migrating::configure();
    cede_integration_tests::workers(2).block_on(async {
        let (disk, spinning) = Disk::for_at_least(DATABASES);
        let system = System::new(c"moving", disk);
        let databases = (0..DATABASES).map(|i| {
            let name = CString::new(format!("/{i}.db")).unwrap();
            let call = cede::call(move || use_database(&name));
            // SAFETY: without mutexes of connections SQLite holds nothing of its thread's while it calls its file system, and the
            // closure owns what it uses.
            tokio::spawn(unsafe { call.stack_size(256 << 10).migratable() })
        });
        let mut moved = 0;
        for outcome in join_all(databases).await {
            let (sum_of, check, has_moved) = outcome.unwrap();
            assert_eq!((sum_of, check), (Ok(vec![sum()]), Ok(vec!["ok".into()])));
            moved += usize::from(has_moved);
        }
        assert!(moved > 0, "none has moved");
        drop(system);
        assert_eq!(
            spinning.await.unwrap().len(),
            DATABASES,
            "no journal is left"
        );
    });
}

#[test]
fn whichever_write_panics_the_journal_restores_the_database() {
    let _watchdog = Watchdog::new("broken disk");
    on_worker(1, async {
        let (disk, _spinning) = Disk::for_at_least(1);
        let system = System::new(c"breaking", disk.clone());
        let mut db = filled(c"/one.db", c"breaking").await;
        for writes in 0.. {
            disk.break_after(writes);
            let update = db.run("UPDATE t SET number = 1000 + number");
            let outcome = AssertUnwindSafe(update).catch_unwind().await;
            disk.repair();
            let Err(panic) = outcome else {
                assert!(writes > 20, "{writes} writes were enough");
                break;
            };
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"the disk is broken"));
            assert_whole(&mut db).await;
        }
        db.run("UPDATE t SET number = number - 1000").await.unwrap();
        assert_whole(&mut db).await;
        drop(db);
        drop(system);
    });
}

#[test]
fn whichever_write_is_given_up_the_journal_restores_the_database() {
    let _watchdog = Watchdog::new("stalled disk");
    on_current_thread(async {
        let (disk, _spinning) = Disk::for_at_least(1);
        let system = System::new(c"stalling", disk.clone());
        let in_c = |sql: &'static str| {
            let run = move || {
                let db = Connection::open_on(c"/one.db", Some(c"stalling"));
                db.raw().run(SCHEMA[0]).unwrap();
                db.raw().run(sql)
            };
            cede::call(run).suspendable()
        };
        for statement in SCHEMA.into_iter().chain([FILL]) {
            in_c(statement).await.unwrap();
        }
        for writes in 0.. {
            disk.stall_after(writes);
            let update = in_c("UPDATE t SET number = 1000 + number");
            let is_given_up = tokio::select! {
                biased;
                outcome = update => outcome.is_err(),
                // The call is dropped, in the midst of C.
                () = disk.stalled() => true,
            };
            disk.repair();
            if !is_given_up {
                assert!(writes > 20, "{writes} writes were enough");
                break;
            }
            assert_eq!(in_c("PRAGMA integrity_check").await.unwrap(), ["ok"]);
            assert_eq!(in_c(SUM).await.unwrap(), [sum()]);
        }
        drop(system);
    });
}

#[test]
fn outside_of_a_call_the_disk_cannot_be_read() {
    on_worker(1, async {
        let (disk, _spinning) = Disk::for_at_least(1);
        let system = System::new(c"unread", disk);
        let mut db = filled(c"/one.db", c"unread").await;
        let failure = db.raw().run(SUM).unwrap_err();
        assert_eq!(failure.message, "disk I/O error");
        assert_whole(&mut db).await;
        drop(db);
        drop(system);
    });
}
