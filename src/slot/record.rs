//! What the monitor can see of a thread: one record each, in one registry.

use super::handshake::{Handshake, Mark, Phase};
use super::life::Life;
use super::standby::Standby;
use crate::here::{self, Shown};
use crate::sync::{AtomicBool, Ordering, lock};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One thread that opens frames.
///
/// Aligned to two cache lines, since its owner writes it twice a call.
#[repr(align(128))]
pub(super) struct Record {
    pub(super) handshake: Handshake,
    /// The standby that keeps `run(worker)` for the worker that this thread runs. Whoever takes it releases it.
    standby: Mutex<Option<Arc<Standby>>>,
    /// Whether `standby` is filled, readable without the lock.
    armed: AtomicBool,
    /// The system's number of the thread.
    pub(super) tid: i32,
    /// There for as long as the record is registered.
    shown: NonNull<Shown>,
}

// SAFETY: what `shown` points to is made of atomics; nobody but the owner, and who holds the registry's lock, uses it.
unsafe impl Send for Record {}

// SAFETY: as above.
unsafe impl Sync for Record {}

impl Record {
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
}

static REGISTRY: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

/// Adds a record for the calling thread.
pub(super) fn register() -> Arc<Record> {
    let record = Arc::new(Record {
        handshake: Handshake::new(),
        standby: Mutex::new(None),
        armed: AtomicBool::new(false),
        tid: own_tid(),
        shown: here::with(|here| NonNull::from(&here.shown)),
    });
    lock(&REGISTRY).push(Watched {
        record: record.clone(),
        seen: Mark::default(),
        since: None,
    });
    record
}

/// The system's number of the calling thread.
#[cfg(target_os = "linux")]
fn own_tid() -> i32 {
    // SAFETY: takes nothing, and cannot fail.
    unsafe { libc::gettid() }
}

#[cfg(not(target_os = "linux"))]
fn own_tid() -> i32 {
    0
}

/// Removes the record of a thread that ends, and frees its standby.
pub(super) fn unregister(record: &Arc<Record>) {
    lock(&REGISTRY).retain(|watched| !Arc::ptr_eq(&watched.record, record));
    record.release_standby();
}

/// Lends every record to the monitor.
pub(super) fn for_each(mut f: impl FnMut(&mut Watched)) {
    lock(&REGISTRY).iter_mut().for_each(&mut f);
}

/// Whether some frame is open that the monitor could retake.
pub(super) fn any_open() -> bool {
    lock(&REGISTRY).iter().any(|watched| {
        let record = &watched.record;
        record.is_armed() && record.handshake.mark().phase() != Phase::Closed
    })
}

/// Frees every standby that serves a runtime which shuts down.
pub(super) fn release_all_of(life: &Arc<Life>) {
    let records: Vec<_> = lock(&REGISTRY)
        .iter()
        .map(|watched| watched.record.clone())
        .collect();
    for record in records {
        record.release_standby_of(life);
    }
}
