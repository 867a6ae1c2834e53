//! What SQLite takes, given to it as typed callbacks: rows, and functions and collations that it owns.

use crate::connection::{Connection, Failure};
use cede::Callback;
use cede_integration_tests::{on_current_thread, on_worker};
use libsqlite3_sys::*;
use std::cmp::Ordering;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::future::pending;
use std::ptr::null_mut;
use std::slice;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The arguments of a SQL function.
type Arguments = (*mut sqlite3_context, c_int, *mut *mut sqlite3_value);

#[test]
fn each_row_goes_through_a_channel_that_is_full() {
    on_worker(1, async {
        let connection = Connection::in_memory();
        let (send, mut receive) = mpsc::channel(1);
        let reader = tokio::spawn(async move {
            let mut rows = Vec::new();
            while let Some(row) = receive.recv().await {
                rows.push(row);
            }
            rows
        });
        let mut sent = 0;
        let each = Callback::new(
            SQLITE_ABORT,
            async |_: c_int, values: *mut *mut c_char, _: *mut *mut c_char| {
                // SAFETY: SQLite passes a column.
                let value = unsafe { *values };
                // SAFETY: which is a text.
                let text = unsafe { CStr::from_ptr(value) }
                    .to_str()
                    .unwrap()
                    .to_owned();
                if text == "4" {
                    return 1;
                }
                sent += 1;
                send.send(text).await.map_or(1, |()| 0)
            },
        );
        let (db, each) = (connection.raw(), &each);
        let call = cede::call(move || {
            let sql = c"VALUES (1), (2), (3), (4), (5)".as_ptr();
            let (function, data) = (Some(each.data_first()), each.data());
            // SAFETY: the callback is there until SQLite has returned.
            unsafe { sqlite3_exec(db.as_ptr(), sql, function, data, null_mut()) }
        });
        assert_eq!(call.named("sqlite3_exec").await, SQLITE_ABORT);
        assert_eq!(sent, 3);
        drop(send);
        assert_eq!(reader.await.unwrap(), ["1", "2", "3"]);
    });
}

/// Defines a function of so many arguments, which awaits, counts its calls, and holds `witness`.
fn define(db: &Connection, arguments: c_int, witness: Arc<()>, waits: bool) -> Result<(), c_int> {
    let mut calls = 0;
    let function = Callback::new(
        |why: cede::Refused, (context, _, _): Arguments| {
            let message = why.to_string();
            let length = c_int::try_from(message.len()).unwrap();
            // SAFETY: the context is the function's until it returns; SQLite copies the message.
            unsafe { sqlite3_result_error(context, message.as_ptr().cast(), length) };
        },
        async move |context: *mut sqlite3_context, _: c_int, _: *mut *mut sqlite3_value| {
            let _ = &witness;
            tokio::task::yield_now().await;
            if waits {
                pending::<()>().await;
            }
            calls += 1;
            // SAFETY: the context is the function's until it returns.
            unsafe { sqlite3_result_int64(context, calls) };
        },
    );
    function
        .give(|given| {
            // SAFETY: SQLite passes its context.
            let call = given.data_in(|&(context, _, _)| unsafe { sqlite3_user_data(context) });
            // SAFETY: SQLite owns the callback, whatever becomes of this.
            let code = unsafe {
                sqlite3_create_function_v2(
                    db.raw().as_ptr(),
                    c"calls".as_ptr(),
                    arguments,
                    SQLITE_UTF8,
                    given.data(),
                    Some(call),
                    None,
                    None,
                    Some(given.destructor()),
                )
            };
            Ok(code)
        })
        .and_then(|code| match code {
            SQLITE_OK => Ok(()),
            code => Err(code),
        })
}

#[test]
fn a_function_is_dropped_when_it_is_replaced_and_when_the_connection_closes() {
    on_worker(1, async {
        let witness = Arc::new(());
        let mut db = Connection::in_memory();
        define(&db, 0, witness.clone(), false).unwrap();
        let rows = db.run("SELECT calls() + 10 * calls()").await;
        assert_eq!(rows, Ok(vec!["21".to_owned()]));
        define(&db, 0, witness.clone(), false).unwrap();
        assert_eq!(Arc::strong_count(&witness), 2);
        assert_eq!(db.run("SELECT calls()").await, Ok(vec!["1".to_owned()]));
        drop(db);
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn a_function_is_dropped_when_its_registration_fails() {
    let witness = Arc::new(());
    let db = Connection::in_memory();
    let defined = define(&db, -2, witness.clone(), false);
    assert_eq!(defined, Err(SQLITE_MISUSE));
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn a_refused_function_is_an_error_of_the_statement() {
    on_current_thread(async {
        let mut db = Connection::in_memory();
        define(&db, 0, Arc::new(()), true).unwrap();
        let Failure { code, message } = db.run("SELECT calls()").await.unwrap_err();
        assert_eq!(code, SQLITE_ERROR);
        assert!(message.contains("suspendable"), "{message}");
    });
}

/// Defines a collation with a leaf: by length. SQLite does not destroy it if that fails.
fn collate(db: &Connection, encoding: c_int, witness: Arc<()>) -> Result<(), c_int> {
    let collation = Callback::leaf(
        0,
        move |a_bytes: c_int, a: *const c_void, b_bytes: c_int, b: *const c_void| {
            let _ = &witness;
            let text = |start: *const c_void, bytes| {
                // SAFETY: SQLite passes so many bytes.
                unsafe {
                    slice::from_raw_parts(start.cast::<u8>(), usize::try_from(bytes).unwrap())
                }
            };
            match a_bytes.cmp(&b_bytes) {
                Ordering::Equal => text(a, a_bytes).cmp(text(b, b_bytes)) as c_int,
                order => order as c_int,
            }
        },
    );
    collation.give(|given| {
        // SAFETY: SQLite owns the callback unless this fails.
        let code = unsafe {
            sqlite3_create_collation_v2(
                db.raw().as_ptr(),
                c"length".as_ptr(),
                encoding,
                given.data(),
                Some(given.data_first()),
                Some(given.destructor()),
            )
        };
        match code {
            SQLITE_OK => Ok(()),
            code => Err(code),
        }
    })
}

#[test]
fn a_collation_is_dropped_once_whoever_has_it() {
    on_worker(1, async {
        let witness = Arc::new(());
        let mut db = Connection::in_memory();
        assert_eq!(collate(&db, 99, witness.clone()), Err(SQLITE_MISUSE));
        assert_eq!(Arc::strong_count(&witness), 1);
        collate(&db, SQLITE_UTF8, witness.clone()).unwrap();
        let rows = db
            .run("SELECT column1 FROM (VALUES ('ccc'), ('bb'), ('a'), ('aa')) ORDER BY 1 COLLATE length")
            .await;
        let sorted = ["a", "aa", "bb", "ccc"].map(str::to_owned);
        assert_eq!(rows, Ok(sorted.to_vec()));
        drop(db);
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}
