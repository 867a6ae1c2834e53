//! What a C library logs are events, in the span that C is called in, or in that of the log.

mod curl;
mod dispatchers;
mod errno;
mod parents;
mod record;
mod sqlite;
mod subscribers;
mod text;

use cede::typed::{Logging, Value};
use cede::{CLog, Callback};
use cede_fixtures::{callback, foreign};
use std::ffi::{c_int, c_void};
use tracing::Level;

type Function = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

/// Makes a line of a number.
type Number = fn(&CLog, c_int) -> c_int;

/// A log whose lines are numbers, for C that passes one. C gets it back.
fn numbers(log: CLog) -> Callback<Logging<Number>, Value<c_int>, (c_int,)> {
    let line: Number = |log, n| {
        log.at(Level::INFO).text(format!("line {n}"));
        n
    };
    log.callback(-1, line)
}

/// Has C log a line.
///
/// Each test answers for what it passes: a callback's own pointers, while it is there.
fn once(function: Function, data: *mut c_void, n: c_int) {
    // SAFETY: as above.
    assert_eq!(unsafe { callback::call_once(function, data, n) }, n);
}

/// Has a thread of C's log a line.
///
/// As [`once`].
fn foreign_once(function: Function, data: *mut c_void) {
    // SAFETY: as above.
    assert_eq!(unsafe { foreign::run(function, data, 1, 1) }, 0);
}
