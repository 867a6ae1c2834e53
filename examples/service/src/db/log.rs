//! What SQLite logs, as events: in the span of the call that SQLite runs in.

use super::error::FUNCTION_FAILED;
use cede::CLog;
use libsqlite3_sys::*;
use std::ffi::{c_char, c_int};
use std::mem::forget;
use tracing::Level;

/// Has SQLite's log come out as events with the target `cede::c::sqlite`. Whether it does: not if SQLite is in use already.
///
/// # Safety
///
/// No other thread uses SQLite meanwhile. At the beginning of `main` none does.
pub unsafe fn start() -> bool {
    let log = CLog::new("sqlite").callback((), |log: &CLog, code: c_int, text: *const c_char| {
        // SAFETY: SQLite passes a C string.
        unsafe { log.at(level(code)).code(code).c_str(text) };
    });
    let (function, data) = (log.data_first(), log.data());
    // SAFETY: by this function's contract; and the log stays for as long as the process, since it is forgotten.
    let set = unsafe { sqlite3_config(SQLITE_CONFIG_LOG, function, data) };
    forget(log);
    set == SQLITE_OK
}

fn level(code: c_int) -> Level {
    if code == FUNCTION_FAILED {
        // Whoever made the query is told, and says so if it is worth a line.
        return Level::DEBUG;
    }
    match code & 0xff {
        // Nobody waits for it any more, and SQLite was told so.
        SQLITE_INTERRUPT => Level::DEBUG,
        SQLITE_NOTICE => Level::INFO,
        SQLITE_WARNING | SQLITE_BUSY => Level::WARN,
        _ => Level::ERROR,
    }
}
