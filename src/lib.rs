//! Await blocking C from tokio, the way Go's cgo does it.
//!
//! A task calls C; its worker *cedes its slot*, so that other tasks go on; C runs on a stack of its own; when C calls back,
//! the callback, which may be async, runs *on the task that made the call*; when C returns, the slot is re-acquired and
//! the task goes on.
//!
//! ```
//! use std::time::Duration;
//!
//! # fn c_function(callback: impl FnOnce() -> i32) -> i32 { callback() }
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().worker_threads(1).build().unwrap();
//! # runtime.block_on(async { tokio::spawn(async {
//! let answer = cede::call(|| {
//!     // Blocking C. Other tasks of this worker go on meanwhile.
//!     c_function(|| {
//!         // Under C: await whatever you like, in the context of the task that called.
//!         let awaited = cede::callback(async {
//!             tokio::time::sleep(Duration::from_millis(1)).await;
//!             42
//!         });
//!         // C has no exceptions and no futures: it gets an error code of its own.
//!         awaited.unwrap_or(-1)
//!     })
//! })
//! .named("c_function")
//! .await;
//! assert_eq!(answer, 42);
//! # }).await.unwrap(); });
//! ```
//!
//! # A tour
//!
//! - [`call`] runs C, and its methods say how: [`named`](Call::named), [`with_errno`](Call::with_errno) and
//!   [`or_errno`](Call::or_errno), [`stack_size`](Call::stack_size), and the ways below.
//! - [`callback()`] runs a future on the calling task, from Rust code under C; also from the synchronous closures of safe wrappers,
//!   which become async-capable without being changed.
//! - [`Callback`] makes a closure the function pointer and the user data that C takes: async or, for comparators and the like, a
//!   [`leaf`](Callback::leaf) that runs right there. See [below](#closures-for-c).
//! - [`Registered`] is a callback that outlives the call, and that C may make from threads of its own;
//!   [`Registered::stream`] one that never blocks C, whose events are read as a stream.
//! - [`CLog`] makes events of the lines that a C library logs.
//! - [`Token`] is a number that stands for a Rust value in C's hands.
//! - [`scope`] and [`spawn`] let many short calls share the cost of ceding.
//! - [`offload()`] runs C on another thread, its future free to be dropped: [`Cancel`] says what becomes of C,
//!   [`cancellable`](Offload::cancellable) has it both ways, [`drain`] waits for what was left behind. A [`Lane`] is a thread, or
//!   some, for a library that is bound to one.
//! - [`Config`] and [`StandbyThreads`] are the settings, [`metrics`](metrics()) the counters. Slow calls are warned of
//!   ([`Config::slow_after`]). What an operator sees, and should do, is on a page of its own: [`production`]. The crate's one feature is `metrics`, for `publish_metrics`.
//!
//! # Closures for C
//!
//! C takes a function pointer, and mostly a `void *` that it hands through. A [`Callback`] is both, and what C gets if there
//! is no answer:
//!
//! ```
//! use std::ffi::{CStr, c_char, c_int};
//! use std::ptr::null_mut;
//! use libsqlite3_sys as sqlite;
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
//! # runtime.block_on(async { tokio::spawn(async {
//! // In a block: a bare pointer that is there still at an `await` would keep the task from being spawned.
//! let db = {
//!     let mut db = null_mut();
//!     // SAFETY: the name ends in NUL, and there is room for the connection.
//!     let code = unsafe { sqlite::sqlite3_open(c":memory:".as_ptr(), &mut db) };
//!     assert_eq!(code, sqlite::SQLITE_OK);
//!     cede::SendPtr::new(db)
//! };
//! let (send, mut receive) = tokio::sync::mpsc::channel(8);
//! let mut rows = 0;
//! let each = cede::Callback::new(
//!     sqlite::SQLITE_ABORT,
//!     async |_columns: c_int, values: *mut *mut c_char, _names: *mut *mut c_char| {
//!         // SAFETY: SQLite passes a row of one column, a text.
//!         let text = unsafe { CStr::from_ptr(*values) }.to_owned();
//!         rows += 1;
//!         send.send(text).await.map_or(sqlite::SQLITE_ABORT, |()| sqlite::SQLITE_OK)
//!     },
//! );
//! let code = cede::call(|| {
//!     let sql = c"VALUES ('one'), ('two')".as_ptr();
//!     // SAFETY: the callback is there until SQLite has returned.
//!     unsafe { sqlite::sqlite3_exec(db.get(), sql, Some(each.data_first()), each.data(), null_mut()) }
//! })
//! .named("sqlite3_exec")
//! .await;
//! assert_eq!((code, rows), (sqlite::SQLITE_OK, 2));
//! assert_eq!(receive.recv().await.as_deref(), Some(c"one"));
//! # // SAFETY: nobody uses it any more.
//! # unsafe { sqlite::sqlite3_close(db.get()) };
//! # }).await.unwrap(); });
//! ```
//!
//! | C | |
//! |---|---|
//! | passes the user data first, or last | [`data_first`](Callback::data_first), [`data_last`](Callback::data_last) |
//! | has it in a context or struct that it passes | [`data_in`](Callback::data_in) |
//! | has none (`qsort`, `nftw`, `glob`) | [`bare`](Callback::bare) |
//! | calls a destructor with it in the end | [`give`](Callback::give) |
//! | calls back while the callback is pending | [`shared`](Callback::shared) |
//!
//! # The ways to run C
//!
//! | | slot | stack | a callback that is not ready at once | for |
//! |---|---|---|---|---|
//! | `call(f)` | ceded; retaken if C lasts | its own | parks the thread | most calls |
//! | [`.long()`](Call::long) | handed off at once | its own | parks the thread | calls known to block |
//! | [`.brief()`](Call::brief) | kept | its own | hands the slot off and parks | a few µs of C that never blocks |
//! | [`.suspendable()`](Call::suspendable) | as `call` | its own, set aside | suspends the call where the task is bound to its thread | current-thread runtimes, `LocalSet` |
//! | [`unsafe .migratable()`](Call::migratable) | ceded while C runs | its own, set aside | suspends the call, on every runtime; any thread goes on with it | many calls that wait at once; C that is bound to no thread |
//! | [`.on_thread_stack()`](Call::on_thread_stack) | ceded | the thread's | parks the thread | libraries that check stack bounds |
//! | [`offload(f)`](offload()) | not concerned | another thread's | leaves the task free; C's thread waits | long calls, with deadlines; any runtime |
//! | [`.on_lane(&lane)`](Offload::on_lane) | not concerned | a thread's of the [`Lane`] | as `offload` | libraries bound to a thread; bounds on what is in C at once |
//!
//! In the first six C runs within the poll, on the thread that polls, and `f` may borrow, except in a suspendable call, where it is
//! `'static`. In the last two C runs elsewhere, `f` is `Send + 'static`, and `select!`, `timeout` and `abort` act at any time.
//!
//! # Where the thread comes in
//!
//! What happens to the slot depends on what the polling thread does for a living, not on the handle that is entered on it:
//!
//! | the thread | |
//! |---|---|
//! | a worker of a multi-thread runtime | cedes its slot |
//! | the `block_on` thread of a multi-thread runtime, a blocking thread, a thread outside of any runtime | has no slot; C runs in place, callbacks park |
//! | drives a current-thread runtime, or a task of a `LocalSet` | has no other worker to go on: C runs in place (said once, as a `WARN` event). A callback of a plain call that is not ready is refused with [`Refused::WouldStarve`], for to park would stop the very thread that could wake it; `suspendable` is the way |
//!
//! tokio does not tell a thread what it does for a living; the crate finds out as well as it can. Known gaps, all of them
//! unusual:
//!
//! - A `LocalSet` on a multi-thread runtime's `block_on` thread: its tasks are recognised by their waker. The future that is
//!   passed to `run_until`, and a plain call inside a combinator with wakers of its own (`FuturesUnordered`), are not: there
//!   callbacks park, and must not wait for another task of the set.
//! - A current-thread runtime's handle that is entered on a worker hides the worker: nothing is ceded while it is.
//! - A worker that makes its first call with another multi-thread runtime's handle entered is taken for one of that
//!   runtime's, whose end it then waits for.
//!
//! # What is not promised
//!
//! - **Time.** A slot is retaken some 75 µs after C was entered if the process was quiet, up to about 2 ms later amid short
//!   calls; under CPU load the monitor waits for a processor like any thread.
//! - **Cancellation.** A [`call`] cannot be interrupted by dropping its future. An [offloaded](offload()) one can as far as C has a
//!   way to be interrupted: [`Cancel`].
//! - **Siblings.** While C runs, or a callback parks, nothing else of the same *task* is polled. (While a call is suspended, it is.)
//! - **`longjmp`** over Rust's frames is undefined behaviour, here as anywhere; within C's own frames it is fine, also on a C
//!   stack. Where a library reports errors that way (Lua, libpng), Rust under C returns a code, and a function in C that called
//!   it raises the error when Rust's frame has gone. Nor may Rust under C call what may raise one, unless C catches it first.
//! - **Threads.** Each call that blocks for long holds a thread, up to [`Config::max_standby_threads`]. One that
//!   is suspended holds none.
//! - **tokio's metrics.** The crate keeps one idle task in every multi-thread runtime that has made a call, and one in every
//!   runtime whose blocking threads have called back from offloaded calls, so `num_alive_tasks` does not fall to zero while it runs; and one blocking thread of it while standby threads serve it. Both
//!   go when the runtime goes.
//! - **`fork`** in a process that has made calls leaves the child without the monitor: `exec` at once.
//! - **Platforms.** Linux on x86_64 is tested. Other Unix systems are meant to work, without being tested; Windows is not
//!   supported.
//!
//! # Words
//!
//! | word | |
//! |---|---|
//! | slot | the right to run tasks: a tokio worker's core |
//! | cede, re-acquire | what a call does with its slot before C and after it; ceded, the slot may be taken, but nothing is handed over yet |
//! | hand off | give the slot to a standby thread at once |
//! | monitor | the thread that watches the calls that have ceded a slot; how long it leaves a call its slot is its *patience*: some 75 µs to 2 ms |
//! | retake | what the monitor does to the slot of a call that lasts |
//! | frame | one open `block_in_place`: the span in which a slot is ceded |
//! | mark | where the owner of a frame is: odd in C, even in Rust |
//! | watchdog | the thread that says which calls are slow |
//! | standby thread | takes over as a worker when a slot is retaken or handed off |
//! | C stack | where C runs |
//! | suspend, resume | a C stack whose task returns `Pending` |
//! | park, unpark | a thread that waits for a callback's future |
//! | callback | a future that C waits for |
//! | lane | one or more threads of their own for C, with a line of calls before them |
//! | abandoned | an offloaded call whose future is gone while C runs on |
//! | errand | what a C thread that waits for a callback runs meanwhile: a call that the callback offloads |
//! | refusal | a callback that cannot run ([`Refused`]) |
//! | fallback | what a [`Callback`] returns to C then |
//! | leaf | a callback that runs on the C stack and cannot await |
//! | bare | a callback without user data |
//! | registration | what C may call after the call, from any thread, until it ends ([`Registered`]) |
//! | home | the runtime, span and dispatcher that were current when a registration was made |
//! | foreign | of a callback: outside of any call; of a thread: C's own |
//! | token | a number that stands for a Rust value ([`Token`]) |
//!
//! # How it works
//!
//! tokio gives a worker's core away in one way, `block_in_place`, which wakes or creates a thread each time. The crate has that
//! wake-up queued behind a thread that is held, where it costs nothing until it is needed, and lets a monitor release the
//! thread when a call lasts. The head of each module's file, which these pages do not show, says what the rules are: start with
//! `src/slot.rs`, `src/stack.rs`, `src/callback.rs` and `src/offload.rs`.

#![warn(clippy::multiple_unsafe_ops_per_block)]

mod asked;
mod background;
mod c_log;
mod call;
mod callback;
mod config;
mod context;
mod doze;
mod errno;
mod error;
mod here;
mod label;
mod lane;
mod observe;
mod offload;
mod panic;
pub mod production;
mod registration;
mod slot;
mod snapshot;
mod stack;
mod sync;
mod tid;
mod token;
mod watchdog;

pub use c_log::{CLine, CLog};
pub use call::{Call, FutureExt, Scope, call, scope, spawn};
pub use callback::typed::{Callback, Given, SendPtr};
pub use callback::{callback, callback_local};
pub use config::{Config, ConfigError, Guards, StandbyThreads};
pub use errno::{CReturn, Errno};
pub use error::Refused;
pub use lane::{Lane, LaneBuilder, LaneClose, LaneMetrics, NotAdmitted};
pub use observe::{ByMode, Histogram};
pub use offload::{
    Cancel, Cancellable, Canceller, Drain, InFlight, NotRun, Offload, Undrained, drain, offload,
};
pub use registration::{CSignature, Closure, Events, Overflow, Registered, Reply};
#[cfg(feature = "metrics")]
pub use snapshot::publish_metrics;
pub use snapshot::{Metrics, Reacquires, metrics};
pub use token::{Token, TokenError, TokenGuard};

/// What a [`Callback`] is made of: its parameters, and the traits that hold them together. There is rarely a need to name them.
pub mod typed {
    pub use crate::callback::typed::{
        Body, ByArguments, ByFunction, ByValue, Exclusive, Fallback, Function, IntoFallback, Leaf,
        Logging, OfArguments, Sendable, Shared, SharedLeaf, Signature, Value,
    };
}

/// The README's programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
