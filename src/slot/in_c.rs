//! What the watchdog sees of calls in place: which threads are in C, in which call, since when.
//!
//! # The key
//!
//! What a thread writes on its way to C and back, taken together: as long as it does not change, and a call is shown, the thread
//! has been in C, in that call, without calling back.
//!
//! | | written |
//! |---|---|
//! | the mark | in a frame: before the call is shown, and after it is gone; around each callback |
//! | the brief calls made | before each |
//! | the other calls made, offloaded ones run, and callbacks without a mark | before the call is shown; before it is shown again |
//! | the call that is shown | when the thread enters it, last of all; and when it is left, first of all |
//!
//! The call is read first. So a key that is the same twice was the same all the while: the others only grow, and had their
//! values before the call was shown.
//!
//! # The label
//!
//! It lies on a stack, or in a future, of the thread, which may be through with the call at any moment. So the kernel copies it
//! ([`watchdog::copy`]); then the heavy fence is passed, and the key read again. Is it unchanged, the call was there while it was copied:
//! had the owner written anything else there, the store by which the call is left would have come before
//! ([`Entered`](crate::context)'s drop), and be seen by now. Only then the copy is taken for a label. What a label points to is there for
//! good.

use super::handshake::{Mark, Phase};
use super::monitor;
use super::record::{self, Record};
use crate::label::{Label, Mode};
use crate::sync::{AtomicU64, Mutex, Ordering, heavy_fence_or_wait, lock};
use crate::watchdog::{self, Case, Kind, Source, Terms};
use std::collections::{HashMap, HashSet};
use std::mem::{MaybeUninit, take};
use std::sync::{Arc, LazyLock, Once};
use std::time::{Duration, Instant};

/// To be called before anything is to be seen of the calling thread.
pub(super) fn include() {
    static INCLUDED: Once = Once::new();
    INCLUDED.call_once(|| watchdog::include(&InPlace));
}

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    call: *const (),
    mark: Mark,
    brief: u64,
    unmarked: u64,
}

// SAFETY: a number. Nobody reads what it points to, but by the kernel.
unsafe impl Send for Key {}

impl Key {
    /// `None` if the thread is not in C.
    ///
    /// # Safety
    ///
    /// As [`Record::shown`].
    unsafe fn of(record: &Record) -> Option<Self> {
        // SAFETY: by this function's contract.
        let call = unsafe { record.shown() }.call_from_outside();
        (!call.is_null()).then(|| Self {
            call,
            mark: record.handshake.mark(),
            brief: record.tally.brief.get(),
            unmarked: record.tally.unmarked(),
        })
    }
}

/// What is to be seen of the calling thread.
#[cfg(test)]
pub(crate) fn shown_here() -> Option<impl PartialEq + std::fmt::Debug + Send> {
    super::with_thread(|thread| {
        // SAFETY: the record is unregistered when the thread ends.
        unsafe { Key::of(&thread?.record) }
    })
}

/// What the watchdog remembers of a thread that is in C.
struct Seen {
    key: Key,
    since: Instant,
    thread: i32,
    call: Call,
}

/// What is known of the call.
enum Call {
    /// It was not seen twice yet.
    New,
    /// It was.
    SeenTwice,
    /// What lies where its label was, if it still was.
    Copied(usize, MaybeUninit<Label>),
    /// With the address of its label, if that could be read.
    Known(usize, Option<Label>, Terms),
    /// It was told of, or is not ours to tell of.
    Done,
}

static SEEN: LazyLock<Mutex<HashMap<u64, Seen>>> = LazyLock::new(Mutex::default);

struct InPlace;

impl Source for InPlace {
    fn look(&self) -> bool {
        let before = take(&mut *lock(&SEEN));
        let is_busy = survey();
        let mut seen = look_at_threads(before, Instant::now());
        if seen
            .values()
            .any(|seen| matches!(seen.call, Call::Copied(..)))
        {
            settle(&mut seen);
        }
        tell(&mut seen);
        *lock(&SEEN) = seen;
        is_busy
    }

    fn is_busy(&self) -> bool {
        survey()
    }

    fn limit(&self) -> Duration {
        watchdog::smallest()
    }
}

/// Whether any thread is in C, or may get there without a word, or has made a brief call since the last look: for who begins a turn,
/// and has looked whether the watchdog sleeps, may not be in C yet. The turns are taken back.
fn survey() -> bool {
    /// The brief calls of all threads.
    static BRIEF: AtomicU64 = AtomicU64::new(0);
    let mut is_busy = !monitor::is_asleep();
    let mut brief = 0_u64;
    record::for_each(|watched| {
        let record = &*watched.record;
        let made = record.tally.brief.get();
        brief = brief.wrapping_mul(31).wrapping_add(made);
        is_busy |= record.turn_end.take_back(made);
        is_busy |= record.handshake.mark().phase() != Phase::Closed;
        // SAFETY: lent under the registry's lock.
        is_busy |= !unsafe { record.shown() }.call_from_outside().is_null();
    });
    is_busy | (BRIEF.swap(brief, Ordering::Relaxed) != brief)
}

/// What is there now, with what is known of it from before.
fn look_at_threads(mut before: HashMap<u64, Seen>, now: Instant) -> HashMap<u64, Seen> {
    let mut seen = HashMap::new();
    record::for_each(|watched| {
        let record = &*watched.record;
        // SAFETY: lent under the registry's lock.
        let Some(key) = (unsafe { Key::of(record) }) else {
            return;
        };
        let same = before.remove(&record.number).filter(|old| old.key == key);
        let entry = match same {
            Some(mut old) => {
                if let Call::New = old.call {
                    old.call = Call::SeenTwice;
                }
                old
            }
            None => Seen {
                key,
                since: now,
                thread: record.tid,
                call: Call::New,
            },
        };
        seen.insert(record.number, entry);
    });
    // Not under the registry's lock: to read memory may take as long as to read a disk.
    for seen in seen.values_mut() {
        if let Call::SeenTwice = seen.call {
            seen.call = copy_label(seen.key.call);
        }
    }
    seen
}

/// Copies what the context's first word points to. It may be anything.
fn copy_label(call: *const ()) -> Call {
    let label = watchdog::copy::<*const Label>(call.cast()).and_then(|label| {
        // SAFETY: any word is a pointer, to be read by the kernel alone.
        let label = unsafe { label.assume_init() };
        Some((label.addr(), watchdog::copy(label)?))
    });
    match label {
        Some((what, label)) => Call::Copied(what, label),
        None => unread(),
    }
}

/// A call that cannot be read is taken for one without terms of its own.
fn unread() -> Call {
    let terms = Terms {
        kind: Kind::Call,
        limit: watchdog::limits().slow_after,
    };
    Call::Known(0, None, terms)
}

/// Takes what was copied for labels, of those threads that have not moved; forgets the others.
fn settle(seen: &mut HashMap<u64, Seen>) {
    let is_sure = heavy_fence_or_wait();
    let unmoved = unmoved(seen.iter().map(|(&number, seen)| (number, seen.key)));
    seen.retain(|number, seen| {
        if let Call::Copied(what, label) = seen.call {
            if !unmoved.contains(number) {
                return false;
            }
            seen.call = if is_sure {
                // SAFETY: by the module's head it is the copy of a label.
                known(what, unsafe { label.assume_init() })
            } else {
                unread()
            };
        }
        true
    });
}

fn known(what: usize, label: Label) -> Call {
    match label.manner.mode {
        Mode::Offloaded | Mode::Lane => Call::Done,
        _ => Call::Known(what, Some(label), watchdog::terms_of(what, &label)),
    }
}

/// Those among these threads whose key is still the same.
fn unmoved(keys: impl Iterator<Item = (u64, Key)>) -> HashSet<u64> {
    let keys: HashMap<u64, Key> = keys.collect();
    let mut unmoved = HashSet::new();
    record::for_each(|watched| {
        let number = watched.record.number;
        // SAFETY: lent under the registry's lock.
        let now = || unsafe { Key::of(&watched.record) };
        if keys.get(&number).is_some_and(|key| now() == Some(*key)) {
            unmoved.insert(number);
        }
    });
    unmoved
}

/// Tells of the calls that have become slow, each once (rule 3 of [`watchdog`]).
fn tell(seen: &mut HashMap<u64, Seen>) {
    let mut due: Vec<(u64, Key, Arc<Case>)> = Vec::new();
    for (&number, seen) in &mut *seen {
        let Call::Known(what, label, terms) = &seen.call else {
            continue;
        };
        if seen.since.elapsed() < terms.limit {
            continue;
        }
        let case = Arc::new(Case {
            kind: terms.kind,
            what: *what,
            label: *label,
            thread: seen.thread,
            since: seen.since,
            parent: watchdog::parent_of(*what),
        });
        if watchdog::open(&case) {
            due.push((number, seen.key, case));
        }
        seen.call = Call::Done;
    }
    if due.is_empty() {
        return;
    }
    heavy_fence_or_wait();
    let unmoved = unmoved(due.iter().map(|(number, key, _)| (*number, *key)));
    for (number, _, case) in due {
        if unmoved.contains(&number) {
            watchdog::say(&case);
        } else {
            watchdog::withdraw(&case);
        }
    }
}
