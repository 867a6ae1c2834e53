//! What the watchdog sees of an offloaded call: whether C runs, or waits for a callback, and on which thread.
//!
//! The C thread alone moves the state, which counts, so that the same value twice means that nothing has happened in between. No lock
//! is taken for it: the roll's is the watchdog's way to the calls, and not on the way of a callback.

use super::roll;
use crate::label::Label;
use crate::panic::{caught, discard};
use crate::sync::{AtomicU64, Mutex, Ordering, heavy_fence_or_wait, lock};
use crate::tid;
use crate::watchdog::{self, Case, Kind, Parent, Source};
use std::sync::atomic::AtomicI32;
use std::sync::{Arc, Once, Weak};
use std::time::{Duration, Instant};

/// Who knows what a call belongs to.
pub(super) trait Belongs: Send + Sync {
    fn parent(&self) -> Option<Parent>;
}

/// Where C is, in the lower two bits of the state.
type Phase = u64;

const ELSEWHERE: Phase = 0;
const IN_C: Phase = 1;
const WAITING: Phase = 2;
const PHASES: u64 = 4;

/// The course of one call.
pub(super) struct Course {
    label: Label,
    /// Instead of the process's limit.
    slow_after: Option<Duration>,
    state: AtomicU64,
    thread: AtomicI32,
    /// The watchdog's.
    seen: Mutex<Seen>,
    of: Weak<dyn Belongs>,
}

/// What the watchdog remembers.
#[derive(Default)]
struct Seen {
    state: u64,
    since: Option<Instant>,
    was_told: bool,
}

impl Course {
    pub(super) fn new(label: Label, slow_after: Option<Duration>, of: Weak<dyn Belongs>) -> Self {
        Self {
            label,
            slow_after,
            state: AtomicU64::new(0),
            thread: AtomicI32::new(0),
            seen: Mutex::default(),
            of,
        }
    }

    pub(super) fn label(&self) -> &Label {
        &self.label
    }

    /// C thread: C begins.
    pub(super) fn enter_c(&self) {
        self.thread.store(tid::own(), Ordering::Relaxed);
        self.go_to(IN_C);
    }

    /// C thread: C has returned.
    pub(super) fn leave_c(&self) {
        self.go_to(ELSEWHERE);
    }

    /// C thread, outside of C: says that C has returned, if it was said to be slow.
    pub(super) fn end(&self) {
        watchdog::ended(self.address());
    }

    /// C thread: C waits for a callback, until the guard drops.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.go_to(WAITING);
        Waiting(self)
    }

    fn go_to(&self, phase: Phase) {
        let count = self.state.load(Ordering::Relaxed) / PHASES + 1;
        self.state.store(count * PHASES + phase, Ordering::Release);
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether there is anything that could become slow.
    fn is_limited(&self) -> bool {
        self.limit() != Duration::MAX
    }

    fn limit(&self) -> Duration {
        self.slow_after
            .unwrap_or_else(|| watchdog::limits().slow_after)
    }

    /// Watchdog: what has become slow since the last look, and since when it has been seen.
    fn look(&self, now: Instant) -> Option<(Kind, Instant)> {
        let state = self.state.load(Ordering::Acquire);
        let kind = match state % PHASES {
            IN_C => Kind::Call,
            WAITING => Kind::Callback,
            _ => return None,
        };
        let mut seen = lock(&self.seen);
        if seen.state != state {
            *seen = Seen {
                state,
                since: Some(now),
                was_told: false,
            };
        }
        let since = seen.since?;
        let is_due = !seen.was_told && now - since >= self.limit();
        seen.was_told |= is_due;
        is_due.then_some((kind, since))
    }

    /// Watchdog: speaks of what is slow (rule 3 of [`watchdog`]).
    fn tell(&self, kind: Kind, since: Instant) {
        let parent = self.of.upgrade().and_then(|call| {
            let parent = call.parent();
            // It may be the last to know of the call.
            caught(|| drop(call)).unwrap_or_else(discard);
            parent
        });
        let case = Arc::new(Case {
            kind,
            what: self.address(),
            label: Some(self.label),
            thread: self.thread.load(Ordering::Relaxed),
            since,
            parent: parent.map(Arc::new),
        });
        if !watchdog::open(&case) {
            return;
        }
        heavy_fence_or_wait();
        if self.state.load(Ordering::Acquire) == lock(&self.seen).state {
            watchdog::say(&case);
        } else {
            watchdog::withdraw(&case);
        }
    }
}

/// C goes on when this is dropped.
#[must_use]
pub(super) struct Waiting<'a>(&'a Course);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.go_to(IN_C);
        watchdog::end_quietly(self.0.address());
    }
}

/// A call has been put on the roll.
pub(super) fn begun(course: &Course) {
    static INCLUDED: Once = Once::new();
    INCLUDED.call_once(|| watchdog::include(&Offloaded));
    match course.slow_after {
        None => watchdog::rouse(),
        Some(limit) => watchdog::rouse_for(limit),
    }
}

struct Offloaded;

impl Source for Offloaded {
    fn look(&self) -> bool {
        let now = Instant::now();
        let (mut due, mut is_busy) = (Vec::new(), false);
        roll::for_each(|course| {
            due.extend(course.look(now).map(|slow| (course.clone(), slow)));
            is_busy |= course.is_limited();
        });
        for (course, (kind, since)) in due {
            course.tell(kind, since);
        }
        is_busy
    }

    /// Also while all wait in line: nobody says a word when C begins.
    fn is_busy(&self) -> bool {
        let mut is_busy = false;
        roll::for_each(|course| is_busy |= course.is_limited());
        is_busy
    }

    fn limit(&self) -> Duration {
        let mut limit = Duration::MAX;
        roll::for_each(|course| limit = limit.min(course.slow_after.unwrap_or(limit)));
        limit
    }
}
