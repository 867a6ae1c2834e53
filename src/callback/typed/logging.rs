//! Callbacks that take in what C logs.

use super::leaf::run_under_c;
use super::{Body, Callback, IntoFallback};
use crate::c_log::CLog;
use crate::context::with_current;
use crate::error::Refused;

impl CLog {
    /// The log as a callback: a closure that is called with the log and with what C passes, `Fn(&CLog, …) -> R`, `Sync`, and makes
    /// a line of it.
    ///
    /// It runs under C, right there, on any thread and on several at once, as [`Callback::shared_leaf`] does. It is never
    /// refused: C may log what it does about a callback that has panicked. `fallback` is for a closure that panics itself.
    ///
    /// A `CURLOPT_DEBUGFUNCTION`, whose text has a length, and which returns 0:
    ///
    /// ```
    /// use cede::CLog;
    /// use std::ffi::{c_char, c_int, c_void};
    /// use tracing::Level;
    ///
    /// let log = CLog::new("curl").callback(
    ///     0,
    ///     |log: &CLog, _easy: *mut c_void, kind: c_int, text: *const c_char, length: usize| {
    ///         let level = match kind {
    ///             0 => Level::DEBUG,     // CURLINFO_TEXT
    ///             1 | 2 => Level::TRACE, // headers
    ///             _ => return 0,         // what is transferred
    ///         };
    ///         // SAFETY: curl passes so many bytes.
    ///         unsafe { log.at(level).c_bytes(text, length) };
    ///         0
    ///     },
    /// );
    /// // For `curl_easy_setopt`; the callback is to be there for as long as the handle is.
    /// let (_function, _data) = (log.data_last(), log.data());
    /// ```
    ///
    /// C that keeps the function for the rest of the process gets a callback that is forgotten
    /// ([`mem::forget`](std::mem::forget)), and C that calls a destructor one that is [given](Callback::give).
    pub fn callback<F, V, M, D, A>(self, fallback: V, closure: F) -> Callback<Logging<F>, D, A>
    where
        Logging<F>: Body<A>,
        V: IntoFallback<A, <Logging<F> as Body<A>>::Output, M, Fallback = D>,
    {
        let kind = Logging { log: self, closure };
        Callback::of(kind, fallback.into_fallback())
    }
}

/// The closure of [`CLog::callback`]: on any thread, as often as C likes, and never refused.
#[derive(Debug)]
pub struct Logging<F> {
    log: CLog,
    closure: F,
}

impl<F> Logging<F> {
    #[inline(always)]
    pub(super) fn run_with<R>(&self, enter: impl FnOnce(&F, &CLog) -> R) -> Result<R, Refused> {
        let changes_threads =
            with_current(|context| context.is_some_and(|context| context.changes_threads()));
        run_under_c(changes_threads, || enter(&self.closure, &self.log))
    }
}
