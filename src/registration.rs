//! Registrations: callbacks that outlive the call, and that C may make from threads of its own.
//!
//! C has a function pointer, which knows the type of what was registered, and a key of `token`'s table, which says whether it
//! is still there. Everything else is in the table's value, which a callback holds while it is in flight:
//!
//! ```text
//!   Registered ──key──▶ table ──▶ Awaited: home, closure, fallback      (awaited)
//!                         ▲   or  Source: closure, queue, bell          (events)
//!                         │
//!            C ──data─────┘
//! ```
//!
//! # Rules
//!
//! 1. The life of a registration is that of its key ([`token::life`](crate::token)): to drop it is to end the key, which
//!    refuses whatever comes later and waits for nobody. The last callback in flight drops the value.
//! 2. Nothing that C passes as user data is taken for a pointer. The function pointer itself is no more than the type.
//! 3. Nothing unwinds into C.

mod awaited;
mod bell;
mod events;
mod fallback;
mod home;
mod inside;
mod notifier;
mod policy;
mod reader;
mod signature;
mod wait;

pub use policy::{Overflow, Reply};
pub use reader::Events;
pub use signature::{CSignature, Closure};

use crate::observe;
use crate::token::TokenError;
use crate::token::table::{self, Key};
use awaited::Awaited;
use home::Home;
use signature::Handle;
use std::any::type_name;
use std::ffi::c_void;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::ptr::without_provenance_mut;
use std::sync::Arc;

/// A callback that outlives the call, for C that calls whenever it likes, and on threads of its own.
///
/// ```
/// use std::ffi::{c_int, c_void};
///
/// # #[tokio::main(worker_threads = 1)]
/// # async fn main() {
/// let (send, mut receive) = tokio::sync::mpsc::channel(1);
/// let registered = cede::Registered::new(-1, move |event: c_int| {
///     let send = send.clone();
///     async move { send.send(event).await.map_or(-1, |()| 0) }
/// });
///
/// // What a C library does with the two, sooner or later.
/// let (function, data) = (registered.data_first(), registered.data());
/// # let data = data.addr();
/// let thread = std::thread::spawn(move || {
/// #   let data = std::ptr::without_provenance_mut::<c_void>(data);
///     function(data, 7)
/// });
///
/// assert_eq!(receive.recv().await, Some(7));
/// assert_eq!(thread.join().unwrap(), 0);
/// registered.close().await;
/// # }
/// ```
///
/// `S` is the signature, `fn(c_int) -> c_int` here: what C's function takes, without the user data, and returns. The compiler
/// finds it out if the closure's parameters have types. Arguments that are pointers are used in the closure itself, which is
/// not async; the future that it returns must be `Send`, and what it takes along as well. A pointer that the future needs, or
/// that C gets back, is a [`SendPtr`](crate::SendPtr).
///
/// # Which task runs the future, and on which thread
///
/// | C calls back | the closure runs | its future runs |
/// |---|---|---|
/// | inside a [`call`](crate::call) | under C, on the spot | on the task that made the call, as that of [`callback`](crate::callback()); with this task's locals, id and span |
/// | on a thread of C's own | on that thread, with the runtime, the span and the dispatcher of the registration entered | on a task of its own on the registering runtime, in that span and with that dispatcher; the thread waits until it is done |
/// | on another thread of ours: one that blocks, or a task that has called C without a `call` | the same | the same. A worker gives its slot away first, and the task goes on without one until its poll ends, as after `block_in_place` |
///
/// In all cases C gets the future's output, and the future is dropped before C goes on: what C's arguments point to may be
/// used until then.
///
/// # Concurrency and order
///
/// C may call from any number of threads at once: the closure runs on all of them and the futures run as so many tasks, in
/// whatever order the runtime polls them. Callbacks of one thread come one after the other. Whoever needs more than that has
/// the closure or its future take a lock or a channel.
///
/// # What C gets when it goes wrong
///
/// `fallback`, and the reason is reported as an event of target `cede`:
///
/// | | |
/// |---|---|
/// | the registration has ended, also a moment ago | `WARN`, [`Metrics::late_callbacks`](crate::Metrics::late_callbacks) |
/// | the user data is not a registration's, or that of one of another type | `ERROR` |
/// | the runtime has shut down, before or meanwhile | `DEBUG`, [`Refused::Shutdown`](crate::Refused::Shutdown) |
/// | the closure or its future has panicked | inside a call as for [`callback`](crate::callback()): the call raises it. Elsewhere `ERROR`, and it goes no further |
/// | the thread drives the registering runtime, a current-thread one, without a call | `DEBUG`, [`Refused::WouldStarve`](crate::Refused::WouldStarve): to wait for it would be to wait for itself |
/// | any other [`Refused`](crate::Refused) inside a call | `DEBUG` |
///
/// A late callback finds nothing of its registration, so its fallback is that of the latest registration which was made
/// with the same closure, the same place in the source that is. Registrations made there should have the same fallback.
///
/// # End
///
/// To drop the registration refuses all callbacks that begin later; it returns at once and waits for nothing. Those in flight
/// go on, and the closure is dropped with the last of them. [`close`](Self::close) waits for them. C should be told to stop
/// before that: a late callback does no harm, but is a mistake of the program.
///
/// # Shutdown
///
/// When the registering runtime is dropped or shut down, in whatever way, the tasks of callbacks are dropped at their
/// next `await`, and C's threads go on with the fallback. While a current-thread runtime is not being driven they wait. A
/// thread that waits does not keep the process from exiting.
///
/// A registration has a handle of its runtime, which keeps the runtime's descriptors open until the registration has ended.
///
/// # What to beware of
///
/// - C that waits for a thread of its own (to join it, say) while that thread waits for a callback: in a `call` on a
///   multi-thread runtime this is fine. On a current-thread runtime nobody is there to run the callback, and both
///   wait for ever.
/// - A thread that waits holds what C holds. A callback must not wait for something that needs the same lock of C's.
/// - Not for signal handlers.
///
/// # errno
///
/// Is for C what it was before the callback.
///
/// # Cost
///
/// On a thread of C's own, spawning a task and two wake-ups of threads, which is what it does; inside a call, a lookup (two atomic
/// operations) on top of [`callback`](crate::callback()). For events that need no answer, [`stream`](Self::stream) is a
/// hundred times cheaper.
#[must_use = "a registration that is dropped refuses C"]
pub struct Registered<S: CSignature> {
    key: Key,
    data_first: S::DataFirst,
    data_last: S::DataLast,
}

impl<S> Registered<S>
where
    S: CSignature,
    S::Output: Copy + Send + Sync,
{
    /// Registers a closure that makes of C's arguments a future, and a fallback for C when there is no answer.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[track_caller]
    pub fn new<F>(fallback: S::Output, closure: F) -> Self
    where
        F: Closure<S> + Send + Sync + 'static,
        F::Made: Future<Output = S::Output> + Send + 'static,
    {
        let awaited = Awaited {
            home: Home::here(),
            closure,
            fallback,
            signature: PhantomData::<S>,
        };
        Self::register(awaited, fallback)
    }

    fn register<H>(value: H, fallback: S::Output) -> Self
    where
        H: Handle<S> + Send + Sync + 'static,
    {
        fallback::leave::<H, S::Output>(fallback);
        let key = table::insert(Arc::new(value));
        observe::gauge::REGISTRATIONS.add(1);
        Self {
            key,
            data_first: S::data_first::<H>(),
            data_last: S::data_last::<H>(),
        }
    }
}

impl<S: CSignature> Registered<S> {
    /// The function for C where the user data comes first.
    ///
    /// Safe to call with whatever user data; that its other arguments are what the closure takes them for is between C and
    /// the closure.
    pub fn data_first(&self) -> S::DataFirst {
        self.data_first
    }

    /// The function for C where the user data comes last.
    ///
    /// As [`data_first`](Self::data_first) otherwise.
    pub fn data_last(&self) -> S::DataLast {
        self.data_last
    }

    /// The user data for C: a number that stands for this registration, valid for good. Never null, and never the address of
    /// anything. As [`Token`](crate::Token) otherwise, but for no type of yours.
    pub fn data(&self) -> *mut c_void {
        without_provenance_mut(self.key.raw())
    }

    /// Callbacks in flight: those that C has begun, and that have not returned to it.
    pub fn in_flight(&self) -> usize {
        table::holders(self.key).unwrap_or(0) as usize
    }

    /// Ends the registration, and waits until the callbacks in flight have returned to C and the closure has been dropped.
    ///
    /// Inside a callback of this very registration it waits for the *other* callbacks in flight, not for the one that waits,
    /// and the closure is dropped later. That holds for what the callback's closure or future does itself; a task that it
    /// spawns and then waits for is not inside it, and neither would end.
    ///
    /// # Cancellation
    ///
    /// The registration has ended as soon as this was called, whether the future is polled or not.
    pub fn close(self) -> impl Future<Output = ()> + Send + 'static {
        let key = self.key;
        drop(self);
        poll_fn(move |cx| table::poll_left(key, inside::depth(key), cx))
    }
}

impl<S: CSignature> Drop for Registered<S> {
    fn drop(&mut self) {
        table::end(self.key);
        observe::gauge::REGISTRATIONS.sub(1);
    }
}

impl<S: CSignature> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered")
            .field("signature", &format_args!("{}", type_name::<S>()))
            .field("data", &self.data())
            .field("in_flight", &self.in_flight())
            .finish()
    }
}

/// Reports what C has passed for a registration of type `H`, and says what C gets.
#[cold]
fn refused_token<H, R>(why: TokenError) -> R
where
    H: 'static,
    R: Copy + Send + 'static,
{
    if why.is_stale() {
        observe::late_callback(type_name::<H>());
    } else {
        observe::misused_data(type_name::<H>(), why);
    }
    fallback::left::<H, R>()
}
