//! How the reader of a stream is woken, in every interleaving: the crate's own file, compiled against the model checker's
//! atomics. The queue is a number, which is all that matters here: something is in it or not.

#[path = "../../src/registration/bell.rs"]
mod bell;

/// What `crate::sync` is to the protocol.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};
}

use bell::Bell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

struct Stream {
    queue: AtomicU32,
    bell: Bell,
    /// The notifier's permit to run, as `Thread::unpark` gives it.
    unparked: AtomicU32,
}

impl Stream {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: AtomicU32::new(0),
            bell: Bell::new(),
            unparked: AtomicU32::new(0),
        })
    }

    fn put(&self) {
        self.queue.fetch_add(1, Ordering::Release);
        if self.bell.ring() {
            self.unparked.fetch_add(1, Ordering::Release);
        }
    }

    /// How much the reader finds; zero if it waits from now on.
    fn read(&self) -> u32 {
        let found = self.queue.swap(0, Ordering::Acquire);
        if found > 0 {
            return found;
        }
        self.bell.wait();
        let found = self.queue.swap(0, Ordering::Acquire);
        if found > 0 {
            self.bell.quiet();
        }
        found
    }

    /// The notifier, if it was unparked: whether it wakes the reader.
    fn notify(&self) -> bool {
        self.unparked.swap(0, Ordering::Acquire) > 0 && self.bell.has_rung()
    }
}

/// Three threads are too many for every interleaving; those with no more than three preemptions will do.
fn bounded_model(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn put_on_thread(stream: &Arc<Stream>) -> thread::JoinHandle<()> {
    let stream = stream.clone();
    thread::spawn(move || stream.put())
}

#[test]
fn a_reader_that_waits_is_woken_for_what_it_has_not_seen() {
    bounded_model(|| {
        let stream = Stream::new();
        let producers = [put_on_thread(&stream), put_on_thread(&stream)];
        let found = stream.read();
        for producer in producers {
            producer.join().unwrap();
        }
        let left = stream.queue.load(Ordering::Acquire);
        assert_eq!(found + left, 2);
        if found == 0 {
            assert!(stream.notify(), "the reader sleeps on events");
        }
    });
}

#[test]
fn a_reader_that_waits_anew_is_not_forgotten() {
    bounded_model(|| {
        let stream = Stream::new();
        let producer = put_on_thread(&stream);
        let notifier = thread::spawn({
            let stream = stream.clone();
            move || stream.notify()
        });
        // Polled twice for whatever reason, as a task may be.
        let mut found = stream.read();
        if found == 0 {
            found = stream.read();
        }
        producer.join().unwrap();
        let woken = notifier.join().unwrap() || stream.notify();
        assert!(found > 0 || woken, "the reader sleeps on an event");
    });
}

#[test]
fn the_notifier_is_unparked_once_for_each_wait() {
    bounded_model(|| {
        let stream = Stream::new();
        assert_eq!(stream.read(), 0);
        let producers = [put_on_thread(&stream), put_on_thread(&stream)];
        for producer in producers {
            producer.join().unwrap();
        }
        assert_eq!(stream.unparked.load(Ordering::Relaxed), 1);
    });
}
