//! One thread that does things later: interrupts again what did not heed the first time, and ends a wait at its limit.
//!
//! # Rules
//!
//! 1. The thread is there while there is something to do, and ends when there is not.
//! 2. Whoever adds something either finds the thread there, or starts it. Both is decided under the lock.
//! 3. Nothing is rung or dropped under the lock. A panic of what is rung stops here.

use crate::panic::{caught, discard};
use crate::sync::{Condvar, Mutex, lock};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Something to do at a time.
pub(super) trait Ring: Send + Sync {
    /// Does it; when to do it again, if at all.
    fn ring(self: Arc<Self>) -> Option<Duration>;
}

static ALARMS: Mutex<Alarms> = Mutex::new(Alarms {
    due: BTreeMap::new(),
    next: 0,
    has_thread: false,
});
static EARLIER: Condvar = Condvar::new();

struct Alarms {
    due: BTreeMap<(Instant, u64), Arc<dyn Ring>>,
    /// Keeps apart what is due at the same instant.
    next: u64,
    has_thread: bool,
}

/// Rings at `when`, or a little later. `false` if no thread is to be had for it.
#[must_use]
pub(super) fn at(when: Instant, ring: Arc<dyn Ring>) -> bool {
    let mut alarms = lock(&ALARMS);
    let key = (when, alarms.next);
    alarms.next += 1;
    alarms.due.insert(key, ring);
    if alarms.has_thread {
        drop(alarms);
        EARLIER.notify_one();
        return true;
    }
    let thread = thread::Builder::new().name("cede-alarm".into());
    alarms.has_thread = thread.spawn(run).is_ok();
    if alarms.has_thread {
        return true;
    }
    let ring = alarms.due.remove(&key);
    drop(alarms);
    drop(ring);
    false
}

/// [`at`], so much later than now.
#[must_use]
pub(super) fn after(delay: Duration, ring: Arc<dyn Ring>) -> bool {
    at(Instant::now() + delay, ring)
}

fn run() {
    while let Some(ring) = next() {
        let again = caught(|| {
            let delay = ring.clone().ring();
            (delay, ring)
        });
        match again {
            Ok((Some(delay), ring)) => {
                // The thread is this one.
                let _ = after(delay, ring);
            }
            Ok((None, ring)) => caught(|| drop(ring)).unwrap_or_else(discard),
            Err(payload) => discard(payload),
        }
    }
}

/// Waits for what is due. `None` if there is nothing more, and the thread is to end.
fn next() -> Option<Arc<dyn Ring>> {
    let mut alarms = lock(&ALARMS);
    loop {
        let now = Instant::now();
        match alarms.due.first_entry() {
            None => {
                alarms.has_thread = false;
                return None;
            }
            Some(first) if first.key().0 <= now => return Some(first.remove()),
            Some(first) => {
                let rest = first.key().0 - now;
                let waited = EARLIER.wait_timeout(alarms, rest);
                alarms = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}
