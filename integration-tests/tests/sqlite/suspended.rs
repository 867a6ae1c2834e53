//! Suspended queries: many in the midst of C on one thread, and some that are given up there.

use crate::connection::{Connection, Raw};
use cede::Refused;
use cede_integration_tests::on_current_thread;
use cede_integration_tests::process::Watchdog;
use futures::future::join_all;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Barrier, Notify};

/// Whether a query has come to where it waits.
type Waits = Arc<Notify>;

#[test]
fn queries_on_one_thread_meet_in_the_midst_of_c() {
    const QUERIES: usize = 100;

    let _watchdog = Watchdog::new("suspended queries");
    on_current_thread(async {
        let barrier = Arc::new(Barrier::new(QUERIES));
        let queries = (0..QUERIES).map(|i| {
            let barrier = barrier.clone();
            async move {
                let mut db = Connection::in_memory();
                db.define(c"meet", move |number| {
                    let barrier = barrier.clone();
                    async move {
                        barrier.wait().await;
                        number
                    }
                });
                let raw = db.raw();
                let sql = format!("SELECT meet({i}) + meet({i})");
                cede::call(move || raw.run(&sql)).suspendable().await
            }
        });
        for (i, rows) in join_all(queries).await.into_iter().enumerate() {
            assert_eq!(rows, Ok(vec![(2 * i).to_string()]));
        }
    });
}

/// A connection whose function `forever` tells that it waits, and goes on waiting.
fn waiting(waits: &Waits) -> Connection {
    let mut db = Connection::in_memory();
    let waits = waits.clone();
    db.define(c"forever", move |_| {
        let waits = waits.clone();
        async move {
            waits.notify_one();
            std::future::pending().await
        }
    });
    db
}

#[test]
fn a_query_that_is_dropped_ends_within_the_drop() {
    let _watchdog = Watchdog::new("dropped query");
    on_current_thread(async {
        let waits = Waits::default();
        let mut db = waiting(&waits);
        let outcome = Arc::new(Mutex::new(None));
        let query = |raw: Raw, outcome: Arc<Mutex<_>>| {
            cede::call(move || {
                let rows = raw.run("SELECT forever(0)");
                *outcome.lock().unwrap() = Some(rows);
            })
            .suspendable()
        };
        tokio::select! {
            biased;
            () = query(db.raw(), outcome.clone()) => unreachable!("it waits forever"),
            () = waits.notified() => (),
        }
        let failure = outcome
            .lock()
            .unwrap()
            .take()
            .expect("C has returned")
            .unwrap_err();
        assert_eq!(failure.message, Refused::Cancelled.to_string());
        assert_eq!(db.run("SELECT 1").await.unwrap(), ["1"]);
    });
}

#[test]
fn a_time_limit_acts_on_a_suspended_query() {
    let _watchdog = Watchdog::new("time limit");
    on_current_thread(async {
        let mut db = waiting(&Waits::default());
        let raw = db.raw();
        let query = cede::call(move || raw.run("SELECT forever(0)")).suspendable();
        let limited = tokio::time::timeout(Duration::from_millis(10), query).await;
        assert!(limited.is_err());
        assert_eq!(db.run("SELECT 1").await.unwrap(), ["1"]);
    });
}
