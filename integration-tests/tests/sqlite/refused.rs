//! A refused callback is an error of SQLite's own, and the connection goes on.

use crate::connection::{Connection, Failure};
use cede::Refused;
use cede_integration_tests::{on_current_thread, on_worker};
use libsqlite3_sys::SQLITE_ERROR;

fn connection() -> Connection {
    let mut db = Connection::in_memory();
    db.define(c"later", async |number| {
        tokio::task::yield_now().await;
        number
    });
    db
}

fn refusal(why: Refused) -> Failure {
    Failure {
        code: SQLITE_ERROR,
        message: why.to_string(),
    }
}

#[test]
fn a_query_outside_of_a_call_fails() {
    on_worker(1, async {
        let mut db = connection();
        assert_eq!(
            db.raw().run("SELECT later(1)"),
            Err(refusal(Refused::NoCall))
        );
        assert_eq!(db.run("SELECT later(1)").await.unwrap(), ["1"]);
    });
}

#[test]
fn a_plain_call_on_a_current_thread_runtime_fails_and_a_suspendable_one_does_not() {
    on_current_thread(async {
        let mut db = connection();
        let rows = db.run("SELECT later(1)").await;
        assert_eq!(rows, Err(refusal(Refused::WouldStarve)));
        let raw = db.raw();
        let rows = cede::call(move || raw.run("SELECT later(1)"))
            .suspendable()
            .await;
        assert_eq!(rows.unwrap(), ["1"]);
        assert_eq!(db.run("SELECT 2").await.unwrap(), ["2"]);
    });
}
