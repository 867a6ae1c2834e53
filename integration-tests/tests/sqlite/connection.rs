//! As much of a safe SQLite as the tests need. What it registers are futures.

use libsqlite3_sys::*;
use std::any::Any;
use std::cmp::Ordering;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::future::Future;
use std::ptr::{null, null_mut};
use std::slice;

/// What SQLite says when a statement has failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: c_int,
    pub(crate) message: String,
}

/// A statement's first column, as text.
pub(crate) type Rows = Result<Vec<String>, Failure>;

/// A connection without a mutex of its own: for any thread, one at a time, and again for the thread
/// that is in it.
pub(crate) struct Connection {
    raw: Raw,
    /// What the registered callbacks refer to.
    kept: Vec<Box<dyn Any + Send>>,
}

/// A connection, for use by the code that SQLite calls back on it.
#[derive(Clone, Copy)]
pub(crate) struct Raw(pub(crate) *mut sqlite3);

// SAFETY: with `SQLITE_OPEN_NOMUTEX` a connection belongs to no thread; the tests use one for one statement at a time, and
// interrupt it from any thread, which SQLite allows.
unsafe impl Send for Raw {}

impl Connection {
    pub(crate) fn in_memory() -> Self {
        Self::open(c":memory:")
    }

    pub(crate) fn open(name: &CStr) -> Self {
        Self::open_on(name, None)
    }

    /// With the file system of this name, or SQLite's own.
    pub(crate) fn open_on(name: &CStr, vfs: Option<&CStr>) -> Self {
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        let vfs = vfs.map_or(null(), CStr::as_ptr);
        let mut db = null_mut();
        // SAFETY: the names end in NUL.
        let code = unsafe { sqlite3_open_v2(name.as_ptr(), &mut db, flags, vfs) };
        assert_eq!(code, SQLITE_OK);
        Self {
            raw: Raw(db),
            kept: Vec::new(),
        }
    }

    pub(crate) fn raw(&self) -> Raw {
        self.raw
    }

    /// Runs a statement in C.
    pub(crate) async fn run(&mut self, sql: &str) -> Rows {
        let raw = self.raw;
        cede::call(move || raw.run(sql)).named("sqlite3_step").await
    }

    /// Defines a SQL function of one integer.
    pub(crate) fn define<F, Fut>(&mut self, name: &CStr, f: F)
    where
        F: Fn(i64) -> Fut + Send + 'static,
        Fut: Future<Output = i64> + Send,
    {
        unsafe extern "C" fn trampoline<F, Fut>(
            context: *mut sqlite3_context,
            _: c_int,
            arguments: *mut *mut sqlite3_value,
        ) where
            F: Fn(i64) -> Fut,
            Fut: Future<Output = i64> + Send,
        {
            // SAFETY: the context is this function's until it returns.
            let data = unsafe { sqlite3_user_data(context) };
            // SAFETY: registered with a closure of this type, which is kept.
            let f = unsafe { &*data.cast::<F>() };
            // SAFETY: registered with one argument.
            let argument = unsafe { *arguments };
            // SAFETY: SQLite's own value.
            let argument = unsafe { sqlite3_value_int64(argument) };
            match cede::callback(f(argument)) {
                // SAFETY: the context is ours still.
                Ok(number) => unsafe { sqlite3_result_int64(context, number) },
                Err(refused) => {
                    let message = CString::new(refused.to_string()).unwrap();
                    // SAFETY: as above; SQLite copies the message.
                    unsafe { sqlite3_result_error(context, message.as_ptr(), -1) };
                }
            }
        }
        let data = self.keep(f);
        // SAFETY: the trampoline is made for what `data` points to.
        let code = unsafe {
            sqlite3_create_function_v2(
                self.raw.0,
                name.as_ptr(),
                1,
                SQLITE_UTF8,
                data,
                Some(trampoline::<F, Fut>),
                None,
                None,
                None,
            )
        };
        assert_eq!(code, SQLITE_OK);
    }

    /// Defines a collation. Where `compare` is refused, all texts are equal.
    pub(crate) fn collate<F, Fut>(&mut self, name: &CStr, compare: F)
    where
        F: Fn(String, String) -> Fut + Send + 'static,
        Fut: Future<Output = Ordering> + Send,
    {
        unsafe extern "C" fn trampoline<F, Fut>(
            compare: *mut c_void,
            a_bytes: c_int,
            a: *const c_void,
            b_bytes: c_int,
            b: *const c_void,
        ) -> c_int
        where
            F: Fn(String, String) -> Fut,
            Fut: Future<Output = Ordering> + Send,
        {
            // SAFETY: registered with a closure of this type, which is kept.
            let compare = unsafe { &*compare.cast::<F>() };
            // SAFETY: SQLite hands over so many bytes.
            let a = unsafe { text(a.cast(), a_bytes) };
            // SAFETY: as above.
            let b = unsafe { text(b.cast(), b_bytes) };
            cede::callback(compare(a, b)).map_or(0, |order| order as c_int)
        }
        let data = self.keep(compare);
        // SAFETY: the trampoline is made for what `data` points to.
        let code = unsafe {
            sqlite3_create_collation_v2(
                self.raw.0,
                name.as_ptr(),
                SQLITE_UTF8,
                data,
                Some(trampoline::<F, Fut>),
                None,
            )
        };
        assert_eq!(code, SQLITE_OK);
    }

    /// Asks `stop` now and then, during a statement, whether to interrupt it.
    pub(crate) fn on_progress<F, Fut>(&mut self, stop: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = bool> + Send,
    {
        const EVERY_SO_MANY_OPCODES: c_int = 1000;

        unsafe extern "C" fn trampoline<F, Fut>(stop: *mut c_void) -> c_int
        where
            F: Fn() -> Fut,
            Fut: Future<Output = bool> + Send,
        {
            // SAFETY: registered with a closure of this type, which is kept.
            let stop = unsafe { &*stop.cast::<F>() };
            cede::callback(stop()).map_or(1, c_int::from)
        }
        let data = self.keep(stop);
        let trampoline = Some(trampoline::<F, Fut> as _);
        // SAFETY: the trampoline is made for what `data` points to.
        unsafe { sqlite3_progress_handler(self.raw.0, EVERY_SO_MANY_OPCODES, trampoline, data) };
    }

    /// Asks `again`, when another connection holds the lock, whether to try again.
    pub(crate) fn on_busy<F, Fut>(&mut self, again: F)
    where
        F: Fn(c_int) -> Fut + Send + 'static,
        Fut: Future<Output = bool> + Send,
    {
        unsafe extern "C" fn trampoline<F, Fut>(again: *mut c_void, times: c_int) -> c_int
        where
            F: Fn(c_int) -> Fut,
            Fut: Future<Output = bool> + Send,
        {
            // SAFETY: registered with a closure of this type, which is kept.
            let again = unsafe { &*again.cast::<F>() };
            cede::callback(again(times)).map_or(0, c_int::from)
        }
        let data = self.keep(again);
        // SAFETY: the trampoline is made for what `data` points to.
        let code = unsafe { sqlite3_busy_handler(self.raw.0, Some(trampoline::<F, Fut>), data) };
        assert_eq!(code, SQLITE_OK);
    }

    /// Keeps a closure for as long as the connection is open.
    pub(crate) fn keep<F: Send + 'static>(&mut self, f: F) -> *mut c_void {
        let mut f = Box::new(f);
        let data = (&raw mut *f).cast();
        self.kept.push(f);
        data
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: open until here. What is kept goes afterwards.
        let code = unsafe { sqlite3_close(self.raw.0) };
        assert_eq!(code, SQLITE_OK, "no statement is left open");
    }
}

impl Raw {
    pub(crate) fn as_ptr(self) -> *mut sqlite3 {
        self.0
    }

    /// Has a statement that runs on the connection end.
    pub(crate) fn interrupt(self) {
        // SAFETY: the connection is open.
        unsafe { sqlite3_interrupt(self.0) }
    }

    /// Runs a statement. It blocks, as C does.
    pub(crate) fn run(self, sql: &str) -> Rows {
        let sql = CString::new(sql).unwrap();
        let mut statement = null_mut();
        // SAFETY: the connection is open, the text ends in NUL, and there is room for the result.
        let code =
            unsafe { sqlite3_prepare_v2(self.0, sql.as_ptr(), -1, &mut statement, null_mut()) };
        if code != SQLITE_OK {
            return Err(self.failure(code));
        }
        // SAFETY: the statement is prepared, and finalized once, below.
        let rows = unsafe { self.step(statement) };
        // SAFETY: as above.
        unsafe { sqlite3_finalize(statement) };
        rows
    }

    /// # Safety
    ///
    /// `statement` is prepared on this connection.
    unsafe fn step(self, statement: *mut sqlite3_stmt) -> Rows {
        let mut rows = Vec::new();
        loop {
            // SAFETY: by this function's contract.
            match unsafe { sqlite3_step(statement) } {
                SQLITE_DONE => return Ok(rows),
                SQLITE_ROW => {
                    // SAFETY: there is a row.
                    let column = unsafe { sqlite3_column_text(statement, 0) };
                    // SAFETY: as above, and SQLite has just made it text.
                    let bytes = unsafe { sqlite3_column_bytes(statement, 0) };
                    // SAFETY: as above.
                    rows.push(unsafe { text(column.cast(), bytes) });
                }
                code => return Err(self.failure(code)),
            }
        }
    }

    fn failure(self, code: c_int) -> Failure {
        // SAFETY: the connection is open.
        let message = unsafe { sqlite3_errmsg(self.0) };
        // SAFETY: SQLite's messages end in NUL and are there until its next use.
        let message = unsafe { text_of(message) };
        Failure { code, message }
    }
}

/// # Safety
///
/// `start` points to a text of UTF-8 that ends in NUL.
pub(crate) unsafe fn text_of(start: *const c_char) -> String {
    // SAFETY: by this function's contract.
    let text = unsafe { CStr::from_ptr(start) };
    text.to_string_lossy().into_owned()
}

/// # Safety
///
/// `start` points to so many bytes of UTF-8, or there are none.
unsafe fn text(start: *const c_char, bytes: c_int) -> String {
    let bytes = usize::try_from(bytes).unwrap();
    if bytes == 0 {
        return String::new();
    }
    // SAFETY: by this function's contract.
    let bytes = unsafe { slice::from_raw_parts(start.cast::<u8>(), bytes) };
    String::from_utf8_lossy(bytes).into_owned()
}
