//! What SQLite says when something has failed.

use libsqlite3_sys::*;
use std::ffi::{CStr, c_char, c_int};
use std::fmt;

/// A failure of SQLite's: its extended code, and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: c_int,
    message: String,
}

impl Error {
    /// The query was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.code & 0xff == SQLITE_INTERRUPT
    }

    /// Another connection had a lock for longer than this one has patience.
    pub fn is_busy(&self) -> bool {
        self.code & 0xff == SQLITE_BUSY
    }

    /// A SQL function has failed with [`Failure`](super::Failure), which said so much.
    pub fn is_of_function(&self) -> bool {
        self.code == FUNCTION_FAILED
    }

    /// SQLite's extended code.
    pub fn code(&self) -> i32 {
        self.code
    }

    pub(super) fn misuse(what: &str) -> Self {
        Self {
            code: SQLITE_MISUSE,
            message: what.to_owned(),
        }
    }

    pub(super) fn of_code(code: c_int) -> Self {
        // SAFETY: any code has a text.
        let message = unsafe { sqlite3_errstr(code) };
        Self {
            code,
            // SAFETY: a constant of SQLite's.
            message: unsafe { message_at(message) },
        }
    }

    /// What has just failed with `code` on the connection.
    ///
    /// # Safety
    ///
    /// The connection is open, and this thread has it to itself.
    pub(super) unsafe fn of(code: c_int, db: *mut sqlite3) -> Self {
        // SAFETY: by this function's contract.
        let message = unsafe { sqlite3_errmsg(db) };
        Self {
            code,
            // SAFETY: there until SQLite is used again.
            message: unsafe { message_at(message) },
        }
    }
}

/// The code of what a function of ours has failed with, so that it can be told from what SQLite has failed with: a generic
/// error with a number that SQLite does not use.
pub(super) const FUNCTION_FAILED: c_int = SQLITE_ERROR | (200 << 8);

/// # Safety
///
/// `message` is null, or ends in NUL.
unsafe fn message_at(message: *const c_char) -> String {
    if message.is_null() {
        return String::from("out of memory");
    }
    // SAFETY: by this function's contract.
    let message = unsafe { CStr::from_ptr(message) };
    message.to_string_lossy().into_owned()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLite {})", self.message, self.code)
    }
}

impl std::error::Error for Error {}
