//! What the monitor and the watchdog can see of a thread: one record each, in one registry.

use super::handshake::{Handshake, Mark, Phase};
use super::in_c;
use super::life::Life;
use super::standby::Standby;
use super::turn_end::TurnEnd;
use crate::here::{self, Shown};
use crate::observe::{Tally, Totals};
use crate::sync::{AtomicBool, AtomicU64, Ordering, lock};
use crate::tid;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One thread that opens frames.
///
/// Aligned to two cache lines, since its owner writes it twice a call, and in this order, so that what it writes is in the first.
#[repr(C, align(128))]
pub(super) struct Record {
    pub(super) handshake: Handshake,
    /// What the thread counts of its calls.
    pub(super) tally: Tally,
    /// Where its turn of brief calls ends.
    pub(super) turn_end: TurnEnd,
    /// Since when the monitor has seen C in the stretch that it took the slot for. Written before it does.
    retaken_since: Mutex<Option<Instant>>,
    /// The standby that keeps `run(worker)` for the worker that this thread runs. Whoever takes it releases it.
    standby: Mutex<Option<Arc<Standby>>>,
    /// Whether `standby` is filled, readable without the lock.
    armed: AtomicBool,
    /// The system's number of the thread.
    pub(super) tid: i32,
    /// No other record's, ever.
    pub(super) number: u64,
    /// There for as long as the record is registered.
    shown: NonNull<Shown>,
}

// SAFETY: what `shown` points to is made of atomics; nobody but the owner, and who holds the registry's lock, uses it.
unsafe impl Send for Record {}

// SAFETY: as above.
unsafe impl Sync for Record {}

impl Record {
    /// The thread's, lent while the registry's lock is held.
    ///
    /// # Safety
    ///
    /// The record is registered until this has returned.
    pub(super) unsafe fn shown(&self) -> &Shown {
        // SAFETY: by this function's contract: the record is unregistered by a destructor of the thread.
        unsafe { self.shown.as_ref() }
    }

    pub(super) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    /// Owner, inside the frame that queued `run(worker)` on `standby`.
    pub(super) fn arm(&self, standby: Arc<Standby>) {
        let before = lock(&self.standby).replace(standby);
        self.armed.store(true, Ordering::Release);
        debug_assert!(before.is_none(), "armed twice");
    }

    /// Lets the standby go, if one is still there: it becomes the worker if it finds the core, and is recycled
    /// otherwise.
    pub(super) fn release_standby(&self) {
        let standby = {
            let mut standby = lock(&self.standby);
            self.armed.store(false, Ordering::Release);
            standby.take()
        };
        standby.into_iter().for_each(Standby::release);
    }

    /// What the thread has counted so far, by the rules of `observe::tally`.
    fn counted(&self) -> Totals {
        // First: rule 2.
        let ways = self.handshake.ways();
        Totals::new(ways, &self.tally)
    }

    /// Monitor, before it takes the slot.
    pub(super) fn set_retaken_since(&self, since: Option<Instant>) {
        *lock(&self.retaken_since) = since;
    }

    /// Owner, while its slot is retaken.
    pub(super) fn retaken_since(&self) -> Option<Instant> {
        *lock(&self.retaken_since)
    }

    fn release_standby_of(&self, life: &Arc<Life>) {
        let of_life = lock(&self.standby).as_ref().is_some_and(|s| s.serves(life));
        if of_life {
            self.release_standby();
        }
    }
}

/// A record with what the monitor remembers of it between two scans.
pub(super) struct Watched {
    pub(super) record: Arc<Record>,
    pub(super) seen: Mark,
    pub(super) since: Option<Instant>,
    /// The most calls by mark that were seen (rule 2 of `observe::tally`).
    by_mark: u64,
}

struct Registry {
    threads: Vec<Watched>,
    /// What threads have counted that are gone.
    gone: Totals,
}

/// Nothing of a user's runs under its lock, neither a subscriber nor a destructor: all that may ask for the metrics, which takes it.
static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    threads: Vec::new(),
    gone: Totals::NONE,
});

/// Adds a record for the calling thread.
pub(super) fn register() -> Arc<Record> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    in_c::include();
    let record = Arc::new(Record {
        handshake: Handshake::new(),
        tally: Tally::new(),
        retaken_since: Mutex::new(None),
        standby: Mutex::new(None),
        armed: AtomicBool::new(false),
        turn_end: TurnEnd::new(),
        tid: tid::own(),
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        shown: here::with(|here| NonNull::from(&here.shown)),
    });
    lock(&REGISTRY).threads.push(Watched {
        record: record.clone(),
        seen: Mark::default(),
        since: None,
        by_mark: 0,
    });
    record
}

/// Removes the record of a thread that ends, keeps what it has counted, and frees its standby.
pub(super) fn unregister(record: &Arc<Record>) {
    {
        let mut registry = lock(&REGISTRY);
        registry
            .threads
            .retain(|watched| !Arc::ptr_eq(&watched.record, record));
        registry.gone += &record.counted();
    }
    record.release_standby();
}

/// Adds what a thread has counted that has no record any more.
#[cold]
pub(super) fn count_without_record(tally: &Tally) {
    lock(&REGISTRY).gone += &Totals::new(0, tally);
}

/// What all threads have counted, and how many stacks they have lent.
pub(crate) fn counted() -> (Totals, usize) {
    let mut registry = lock(&REGISTRY);
    let mut sum = registry.gone;
    let mut lent = 0;
    for watched in &mut registry.threads {
        let mut counted = watched.record.counted();
        watched.by_mark = watched.by_mark.max(counted.by_mark);
        counted.by_mark = watched.by_mark;
        sum += &counted;
        // SAFETY: the record is registered, and stays so while the registry is locked.
        lent += unsafe { watched.record.shown() }.lent();
    }
    (sum, lent)
}

/// Lends every record to the monitor, or the watchdog.
pub(super) fn for_each(mut f: impl FnMut(&mut Watched)) {
    lock(&REGISTRY).threads.iter_mut().for_each(&mut f);
}

/// Whether some frame is open that the monitor could retake.
pub(super) fn any_open() -> bool {
    lock(&REGISTRY).threads.iter().any(|watched| {
        let record = &watched.record;
        record.is_armed() && record.handshake.mark().phase() != Phase::Closed
    })
}

/// Frees every standby that serves a runtime which shuts down.
pub(super) fn release_all_of(life: &Arc<Life>) {
    let records: Vec<_> = lock(&REGISTRY)
        .threads
        .iter()
        .map(|watched| watched.record.clone())
        .collect();
    for record in records {
        record.release_standby_of(life);
    }
}
