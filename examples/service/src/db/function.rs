//! SQL functions whose body is a future.

use super::Connection;
use super::error::{Error, FUNCTION_FAILED};
use super::statement::text_at;
use libsqlite3_sys::*;
use std::ffi::{CStr, c_int, c_void};
use std::future::Future;

/// Why a function has no answer. Its query fails with this message ([`Error::is_of_function`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl Connection {
    /// Defines a SQL function of one text.
    ///
    /// Its future is polled by the task that made the call which SQLite runs in, so it may await whatever it likes: in place its
    /// thread waits, another takes its slot; offloaded, only C's thread does.
    ///
    /// # Errors
    ///
    /// If SQLite does not take it.
    pub fn define<F, Fut>(&mut self, name: &CStr, function: F) -> Result<(), Error>
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<i64, Failure>> + Send,
    {
        let (name, function) = (name.as_ptr(), Box::into_raw(Box::new(function)).cast());
        let (call, destroy) = (Some(call::<F, Fut> as _), Some(destroy::<F> as _));
        let db = self.raw();
        // SAFETY: the connection is open; the function is SQLite's until it destroys it, which it does if this fails, too.
        let code = unsafe {
            sqlite3_create_function_v2(
                db,
                name,
                1,
                SQLITE_UTF8,
                function,
                call,
                None,
                None,
                destroy,
            )
        };
        self.check(code)
    }
}

/// What SQLite calls.
///
/// # Safety
///
/// The user data is a `F`, and there is an argument.
unsafe extern "C" fn call<F, Fut>(
    context: *mut sqlite3_context,
    _: c_int,
    arguments: *mut *mut sqlite3_value,
) where
    F: Fn(String) -> Fut + Sync,
    Fut: Future<Output = Result<i64, Failure>> + Send,
{
    // SAFETY: the context is this function's until it returns.
    let function = unsafe { sqlite3_user_data(context) };
    // SAFETY: by this function's contract; the connection keeps it while a query runs.
    let function = unsafe { &*function.cast::<F>() };
    // SAFETY: by this function's contract.
    let argument = unsafe { *arguments };
    // SAFETY: a value of SQLite's.
    let start = unsafe { sqlite3_value_text(argument) };
    // SAFETY: as above, and text by now.
    let length = unsafe { sqlite3_value_bytes(argument) };
    // SAFETY: so many bytes, until the value is touched again.
    let text = unsafe { text_at(start, length) };
    // This is C's stack: what panics must do so in the future, whose panics wait until C has returned.
    let answer = cede::callback(async move { function(text).await });
    match answer {
        // SAFETY: the context is ours still.
        Ok(Ok(number)) => unsafe { sqlite3_result_int64(context, number) },
        // SAFETY: as above.
        Ok(Err(Failure(why))) => unsafe { fail(context, &why) },
        // SAFETY: as above. SQLite gives the query up by its own rules.
        Err(refused) => unsafe { fail(context, &refused.to_string()) },
    }
}

/// # Safety
///
/// The context is that of a function that runs.
unsafe fn fail(context: *mut sqlite3_context, why: &str) {
    let length = c_int::try_from(why.len()).unwrap_or(c_int::MAX);
    // SAFETY: by this function's contract; SQLite copies so many bytes.
    unsafe { sqlite3_result_error(context, why.as_ptr().cast(), length) };
    // SAFETY: as above. After the message, which would reset it.
    unsafe { sqlite3_result_error_code(context, FUNCTION_FAILED) };
}

/// # Safety
///
/// `function` is a `F` that SQLite was given, and is not used any more.
unsafe extern "C" fn destroy<F>(function: *mut c_void) {
    // SAFETY: by this function's contract.
    drop(unsafe { Box::from_raw(function.cast::<F>()) });
}
