//! Streams of events, C's side: it puts them into a queue and goes on.

use super::notifier::Line;
use super::policy::{Overflow, Reply};
use super::reader::Events;
use super::signature::{CSignature, Closure, Handle};
use super::{Registered, inside, refused_token};
use crate::errno;
use crate::observe;
use crate::panic::{caught, discard, never_unwinds};
use crate::token::table::{self, Key};
use crossbeam_queue::ArrayQueue;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What C's side and the reader share.
pub(super) struct Shared<T> {
    pub(super) queue: ArrayQueue<T>,
    pub(super) line: Arc<Line>,
    pub(super) dropped: AtomicU64,
    /// No further event will come.
    pub(super) ended: AtomicBool,
    /// Nobody will read any more.
    pub(super) deaf: AtomicBool,
}

impl<T> Shared<T> {
    /// Whether the event was taken, as far as C is to know.
    #[inline]
    fn put(&self, event: T, overflow: Overflow) -> bool {
        if self.deaf.load(Ordering::Relaxed) {
            self.count_dropped();
            return false;
        }
        // What there is no room for is dropped here, on C's thread.
        let taken = match overflow {
            Overflow::DropOldest => {
                if self.queue.force_push(event).is_some() {
                    self.count_dropped();
                }
                true
            }
            Overflow::Refuse | Overflow::DropNewest => match self.queue.push(event) {
                Ok(()) => true,
                Err(_no_room) => {
                    self.count_dropped();
                    return overflow == Overflow::DropNewest;
                }
            },
        };
        self.line.ring();
        taken
    }

    fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        observe::counter::DROPPED_EVENTS.add(1);
    }
}

/// What the table keeps for a registration.
struct Source<S: CSignature, F: Closure<S>> {
    closure: F,
    overflow: Overflow,
    reply: Reply<S::Output>,
    location: &'static Location<'static>,
    shared: Arc<Shared<F::Made>>,
    signature: PhantomData<S>,
}

/// The registration is gone, and with it everybody who was putting something in.
impl<S: CSignature, F: Closure<S>> Drop for Source<S, F> {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.shared.line.ring();
    }
}

impl<S, F> Handle<S> for Source<S, F>
where
    S: CSignature,
    S::Output: Copy + Send + Sync,
    F: Closure<S> + Send + Sync + 'static,
    F::Made: Send + 'static,
{
    fn handle(data: *mut c_void, arguments: S::Arguments) -> S::Output {
        let _errno = errno::Keep::new();
        never_unwinds("a callback of a stream was unwound", || {
            let held = match table::hold(data.addr()) {
                Ok(held) => held,
                Err(why) => return refused_token::<Self, _>(why),
            };
            match held.downcast::<Self>() {
                Ok(this) => this.note(held.key(), arguments),
                Err(why) => refused_token::<Self, _>(why),
            }
        })
    }
}

impl<S, F> Source<S, F>
where
    S: CSignature,
    S::Output: Copy,
    F: Closure<S>,
{
    fn note(&self, key: Key, arguments: S::Arguments) -> S::Output {
        // One catch for both: an event that there is no room for is dropped, which may panic as well.
        let taken = caught(|| {
            let event = inside::enter(key, || self.closure.make(arguments));
            self.shared.put(event, self.overflow)
        });
        match taken {
            Ok(true) => self.reply.taken,
            Ok(false) => self.reply.refused,
            Err(payload) => {
                observe::foreign_callback_panicked(self.location, &payload);
                discard(payload);
                self.reply.refused
            }
        }
    }
}

impl<S> Registered<S>
where
    S: CSignature,
    S::Output: Copy + Send + Sync,
{
    /// Registers a callback that never blocks C: it notes an event and returns. The events are read as a stream.
    ///
    /// `closure` runs on C's thread, synchronously, and makes of C's arguments what the stream yields: `Fn(A, B) -> T`.
    /// `capacity` is how many events there is room for while nobody reads, `overflow` what happens to one that finds none,
    /// and `reply` what C's function returns.
    ///
    /// ```
    /// use cede::{Overflow, Registered, Reply};
    /// use std::ffi::c_int;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let reply = Reply { taken: 0, refused: -1 };
    /// let (registered, mut events) =
    ///     Registered::stream(64, Overflow::Refuse, reply, |level: c_int| level * 10);
    ///
    /// // What C does with them, on whatever thread.
    /// let (function, data) = (registered.data_last(), registered.data());
    /// assert_eq!(function(1, data), 0);
    /// assert_eq!(function(2, data), 0);
    ///
    /// drop(registered);
    /// assert_eq!(function(3, data), -1);
    /// assert_eq!(events.recv().await, Some(10));
    /// assert_eq!(events.recv().await, Some(20));
    /// assert_eq!(events.recv().await, None);
    /// # }
    /// ```
    ///
    /// # What C's thread does
    ///
    /// While the registration is open: no lock, no allocation, no event of `tracing`, and no system call but one `futex`
    /// when the reader sleeps, once for each time it does. So it may be a real-time thread, with these reservations:
    ///
    /// - What `closure` does, and what the destructor of a dropped event does, is up to you: `T` should own nothing.
    /// - The queue is `crossbeam`'s. A thread that is interrupted within the few instructions in which it takes or puts an
    ///   event holds up those that come to the *same place* of the queue, which has to be full for that; they spin. The
    ///   more room there is, the less likely. On a processor that a real-time thread shares with the reader, and does
    ///   not yield to it, that may be for ever: leave the reader another one.
    /// - When the registration ends amid a callback, the last of them frees what the registration kept, which takes a lock.
    /// - Callbacks that come late, and closures that panic, are mistakes of the program, and are reported.
    ///
    /// Not for signal handlers.
    ///
    /// # Waking the reader
    ///
    /// A thread of the crate's own (`cede-notifier`, one a process, started by the first stream) wakes it, since to wake a task
    /// takes locks. It is unparked once for each time that the reader has found nothing, however many events come meanwhile.
    /// It looks at every stream of the process then, so thousands of streams make each wake-up slower.
    ///
    /// # Order and drops
    ///
    /// Events of one thread are read in their order. Those that are dropped are counted exactly, per stream
    /// ([`Events::dropped`]) and for the process ([`Metrics::dropped_events`](crate::Metrics::dropped_events)).
    ///
    /// # End
    ///
    /// The stream ends when the registration has ended, the callbacks in flight have returned, and everything has been read.
    /// If [`Events`] is dropped first, C is refused from then on.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero, or if the system has no thread for the notifier. A panic of `closure` is caught and reported (an
    /// `ERROR` event), and C is refused. No runtime is needed, neither to register nor to read.
    #[track_caller]
    pub fn stream<F, T>(
        capacity: usize,
        overflow: Overflow,
        reply: Reply<S::Output>,
        closure: F,
    ) -> (Self, Events<T>)
    where
        F: Closure<S, Made = T> + Send + Sync + 'static,
        T: Send + 'static,
    {
        assert!(capacity > 0, "a stream needs room for one event at least");
        let line = Line::new().expect("the system has a thread for the notifier");
        let shared = Arc::new(Shared {
            queue: ArrayQueue::new(capacity),
            line,
            dropped: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
        });
        let events = Events::new(shared.clone());
        let source = Source {
            closure,
            overflow,
            reply,
            location: Location::caller(),
            shared,
            signature: PhantomData::<S>,
        };
        (Self::register(source, reply.refused), events)
    }
}
