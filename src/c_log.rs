//! Lines that C logs, as events.
//!
//! ```text
//!   C ──(…, text)──▶ closure, or a function of the user's ─▶ CLine ─▶ Site ─▶ dispatcher ─▶ subscriber
//!                                                                    (one a library and level: library)
//! ```
//!
//! # Rules
//!
//! 1. A line is an event where C logs it, as one of Rust's would be: with that thread's dispatcher, in its current span. A thread
//!    without a span knows nothing of what C does, so the line goes to where the log was made. The two are never mixed: a
//!    span means something to its own dispatcher alone.
//! 2. The log's dispatcher is called, not entered: nothing is needed of the thread, which may be ending.
//! 3. Nothing unwinds from here, for all that is between us and C may be a function of the user's.
//! 4. While a subscriber takes in a line, others of the same thread are dropped: its own use of C must not come back to it.

mod library;
mod text;

use crate::errno;
use crate::observe::KeptSpan;
use crate::panic::{caught, discard};
use library::{Library, Site};
use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::slice;
use text::Text;
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Level, dispatcher};

/// Makes events of the lines that a C library logs.
///
/// Most C libraries take a function that they call with each line of their log. What it is called with differs: a level or none,
/// a C string or bytes, user data in front, in the end, or none. [`callback`](Self::callback) makes a closure that function:
///
/// ```
/// use cede::CLog;
/// use libsqlite3_sys as sqlite;
/// use std::ffi::{c_char, c_int};
/// use tracing::Level;
///
/// /// To be called before anything else of SQLite's.
/// fn log_sqlite() {
///     let log = CLog::new("sqlite").callback((), |log: &CLog, code: c_int, text: *const c_char| {
///         let level = match code & 0xff {
///             sqlite::SQLITE_NOTICE => Level::INFO,
///             sqlite::SQLITE_WARNING => Level::WARN,
///             _ => Level::ERROR,
///         };
///         // SAFETY: SQLite passes a C string.
///         unsafe { log.at(level).code(code).c_str(text) };
///     });
///     let (function, data) = (log.data_first(), log.data());
///     // SAFETY: SQLite is not in use yet, and the callback stays for as long as the process does: it is forgotten below.
///     let set = unsafe { sqlite::sqlite3_config(sqlite::SQLITE_CONFIG_LOG, function, data) };
///     assert_eq!(set, sqlite::SQLITE_OK);
///     std::mem::forget(log);
/// }
///
/// log_sqlite();
/// # // SAFETY: a C string, and arguments as it says.
/// # unsafe { sqlite::sqlite3_log(sqlite::SQLITE_NOTICE, c"hello".as_ptr()) };
/// ```
///
/// A function of your own does as well, where there is no user data for instance: nothing unwinds from a log into C.
///
/// ```
/// use cede::CLog;
/// use std::ffi::{c_char, c_int};
/// use std::sync::LazyLock;
/// use tracing::Level;
///
/// static LOG: LazyLock<CLog> = LazyLock::new(|| CLog::new("git"));
///
/// /// For `git_libgit2_opts` and the like: a level, and a line.
/// unsafe extern "C" fn on_line(severity: c_int, text: *const c_char) {
///     let level = if severity <= 2 { Level::ERROR } else { Level::DEBUG };
///     // SAFETY: C passes a C string.
///     unsafe { LOG.at(level).c_str(text) };
/// }
/// # LazyLock::force(&LOG);
/// # unsafe { on_line(1, c"hello".as_ptr()) };
/// ```
///
/// C must have formatted the line: functions of C with variable arguments (`printf`'s way) cannot be written in Rust. A library
/// that has nothing else needs a few lines of C with `vsnprintf`.
///
/// # The events
///
/// | | |
/// |---|---|
/// | target | `cede::c::` and the name of the library: `cede::c::sqlite`. So each has a level of its own in a filter: `info,cede::c::curl=debug` |
/// | level | what [`at`](Self::at) was given |
/// | `message` | the text, without line ends behind it; those within are kept. What is not UTF-8 is replaced by U+FFFD |
/// | `code` | what [`CLine::code`] was given, if it was |
///
/// # Parent and subscriber
///
/// If C logs on a thread that has a current span, the line is an event in that span, with that thread's subscriber. So it is under a
/// call, in whatever way it runs, offloaded, suspended or in a callback: the line is in the call's span, or in that of the task.
///
/// A thread without a span, one of C's own for instance, has nothing to say about it. The line then is in the span that was
/// current when the log was made, with the subscriber of that moment. If there was no span either, it goes to the
/// thread's subscriber and, if there is none, to that of the log.
///
/// A log keeps its span open, and its subscriber alive. One that stays for good, as above, is best made outside of any span, or for
/// its own.
///
/// # On what thread, and how long
///
/// The subscriber runs where C logs: under C's frames and locks, on C's stack, and C waits for it. It must not use
/// the library whose line it takes in, if that has a lock on its log. (tracing keeps what a subscriber emits while it takes in
/// something from coming back to it, but not what C logs then.) Lines that it causes on the same thread while it takes in
/// another are dropped, so that it does not feed itself.
///
/// Works on every thread, inside and outside of calls and runtimes, also while a thread ends and after a callback has
/// panicked, when the lines matter most. Not for signal handlers.
///
/// # Panics
///
/// A panic of the subscriber ends here, and the line is lost. C notices nothing.
///
/// # errno
///
/// Is for C what it was before.
///
/// # Cost
///
/// Where the level is disabled a line costs two loads, some nanoseconds if through a [`callback`](Self::callback), and its text is
/// not looked at. Where it is enabled, what the subscriber makes of it: nothing is allocated here.
#[derive(Clone)]
pub struct CLog {
    library: &'static Library,
    span: KeptSpan,
    /// `None` if there was none, which is not to hide one that comes later.
    dispatcher: Option<Dispatch>,
}

impl CLog {
    /// A log for the library of this name, which becomes part of the events' target. Keeps the span and the subscriber that are current.
    ///
    /// What a name takes is kept for the rest of the process, once for each name.
    #[must_use]
    pub fn new(library: &'static str) -> Self {
        let dispatcher = dispatcher::get_default(Clone::clone);
        Self {
            library: Library::named(library),
            span: KeptSpan::current(),
            dispatcher: (!dispatcher.is::<NoSubscriber>()).then_some(dispatcher),
        }
    }

    /// A line of this level: its text is yet to come.
    #[inline]
    pub fn at(&self, level: Level) -> CLine<'_> {
        CLine {
            log: self,
            site: self.library.site(level),
            code: None,
        }
    }
}

impl fmt::Debug for CLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CLog").field(&self.library.name()).finish()
    }
}

/// A line of a C library's log, made by [`CLog::at`]. The method that gives it its text makes it an event.
///
/// A line without text is none, unless it has a [`code`](Self::code).
#[derive(Clone, Copy)]
#[must_use = "it is an event when it has its text"]
pub struct CLine<'a> {
    log: &'a CLog,
    site: &'static Site,
    code: Option<i64>,
}

impl CLine<'_> {
    /// A number of the library's own that goes with the line, for the field `code`.
    #[inline]
    pub fn code(mut self, code: impl Into<i64>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Whether somebody may want the line. Tells before an expensive text is made.
    #[inline]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.site.is_enabled()
    }

    /// The line is an event with this text.
    #[inline]
    pub fn text(self, text: impl AsRef<[u8]>) {
        if self.is_enabled() {
            self.emit(text.as_ref());
        }
    }

    /// The line is an event with the text of a C string. Null is no text.
    ///
    /// # Safety
    ///
    /// `text` is null, or points to bytes that end in a NUL and stay as they are until this has returned.
    #[inline]
    pub unsafe fn c_str(self, text: *const c_char) {
        if !self.is_enabled() {
            return;
        }
        let text = if text.is_null() {
            c""
        } else {
            // SAFETY: by this function's contract; null was seen to.
            unsafe { CStr::from_ptr(text) }
        };
        self.emit(text.to_bytes());
    }

    /// The line is an event with the text of so many bytes. Null is no text, whatever the length.
    ///
    /// # Safety
    ///
    /// `text` is null, or points to `length` bytes that are initialized and stay as they are until this has returned.
    #[inline]
    pub unsafe fn c_bytes(self, text: *const c_char, length: usize) {
        if !self.is_enabled() {
            return;
        }
        let text = if text.is_null() {
            b""
        } else {
            // SAFETY: by this function's contract; null was seen to.
            unsafe { slice::from_raw_parts(text.cast(), length) }
        };
        self.emit(text);
    }

    #[cold]
    #[inline(never)]
    fn emit(self, text: &[u8]) {
        let text = Text::of(text);
        if text.is_empty() && self.code.is_none() {
            return;
        }
        let _errno = errno::Keep::new();
        let Some(_alone) = Alone::enter() else {
            return;
        };
        if let Err(payload) = caught(|| self.place(text)) {
            discard(payload);
        }
    }

    /// Rule 1.
    fn place(self, text: Text<'_>) {
        let Self { log, site, code } = self;
        let home = log.span.id();
        let is_placed = dispatcher::get_default(|current| {
            let is_in_span = current.current_span().id().is_some();
            let is_here = is_in_span || home.is_none() && !current.is::<NoSubscriber>();
            if is_here {
                site.send(current, None, code, text);
            }
            is_here
        });
        match &log.dispatcher {
            Some(dispatcher) if !is_placed => site.send(dispatcher, home, code, text),
            _ => {}
        }
    }
}

impl fmt::Debug for CLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CLine")
            .field("library", &self.log.library.name())
            .field("level", self.site.level())
            .field("code", &self.code)
            .finish()
    }
}

/// The thread's one line that a subscriber takes in, until this is dropped (rule 4).
#[must_use]
struct Alone(());

thread_local! {
    /// Has no destructor, so it is there for as long as the thread runs any code.
    static TAKING_IN: Cell<bool> = const { Cell::new(false) };
}

impl Alone {
    /// `None` if there is one.
    fn enter() -> Option<Self> {
        (!TAKING_IN.replace(true)).then(|| Self(()))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        TAKING_IN.set(false);
    }
}
