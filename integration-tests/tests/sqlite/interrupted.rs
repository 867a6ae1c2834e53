//! Offloaded queries that are interrupted: the query ends, the connection lives on, and the next statement is not hit.

use crate::connection::{Connection, Raw, Rows};
use cede::{Cancel, Offload, offload};
use cede_fixtures::time::spin_us;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, on_current_thread, on_worker};
use libsqlite3_sys::SQLITE_INTERRUPT;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::time::timeout;

/// Counts so far.
fn counts(to: u64) -> String {
    format!("WITH n AS (SELECT 1 i UNION ALL SELECT i + 1 FROM n LIMIT {to}) SELECT max(i) FROM n")
}

/// A query that its cancellation interrupts.
fn query(raw: Raw, to: u64) -> Offload<impl FnOnce() -> Rows + Send + 'static, Rows> {
    offload(move || raw.run(&counts(to)))
        .named("sqlite3_step")
        .on_cancel(Cancel::interrupt(move || raw.interrupt()))
}

async fn a_timeout_ends_the_query() {
    let connection = Connection::in_memory();
    let raw = connection.raw();
    let (ended, end) = channel();
    // Years of counting: whatever ends it, it is not its own end.
    let call = offload(move || {
        let rows = raw.run(&counts(u64::MAX / 2));
        ended.send(rows.unwrap_err().code).unwrap();
    });
    let call = call.on_cancel(Cancel::interrupt(move || raw.interrupt()));
    assert!(timeout(Duration::from_millis(50), call).await.is_err());
    cede::drain(PATIENCE).await.unwrap();
    assert_eq!(end.try_recv(), Ok(SQLITE_INTERRUPT));
    assert_eq!(query(raw, 1000).await, Ok(vec!["1000".to_owned()]));
    drop(connection);
}

#[test]
fn a_timeout_ends_the_query_and_the_connection_lives_on() {
    let _watchdog = Watchdog::new("an interrupted query");
    on_worker(1, a_timeout_ends_the_query());
    on_current_thread(a_timeout_ends_the_query());
}

/// Queries that end about when they are interrupted, each followed by one that is not.
#[test]
fn the_next_statement_is_not_interrupted() {
    let _watchdog = Watchdog::new("interrupted queries");
    on_worker(2, async {
        let connection = Connection::in_memory();
        let raw = connection.raw();
        let (mut ended, mut interrupted) = (0, 0);
        for round in 0..300 {
            let (canceller, mut call) = query(raw, 1000).cancellable();
            call.try_start().unwrap();
            let canceller = tokio::spawn(async move {
                // Some hundred µs, as the query takes.
                spin_us(10 * (round % 50));
                canceller.cancel();
            });
            match call.await {
                Ok(Ok(_)) => ended += 1,
                Ok(Err(failure)) => {
                    assert_eq!(failure.code, SQLITE_INTERRUPT);
                    interrupted += 1;
                }
                Err(not_run) => assert!(not_run.is_cancelled()),
            }
            let rows = query(raw, 100).await;
            assert_eq!(rows, Ok(vec!["100".to_owned()]), "round {round}");
            canceller.await.unwrap();
        }
        println!("{ended} ended, {interrupted} were interrupted");
    });
}
