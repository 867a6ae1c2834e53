//! The watchdog: says which calls are slow, while they are, and when they have returned.
//!
//! One thread of its own looks every now and then at what is in C. It gets by with what calls write anyway: nothing is added to
//! the way of a call, nor is a clock read there. What it finds to be slow is a *case*, said once, as a `WARN` event, and once more
//! when it is over.
//!
//! # What is looked at
//!
//! | source | where | the same as at the last look means |
//! |---|---|---|
//! | calls in place | `slot::in_c` | C has been running since, in one go: a callback, or another call, would have changed the thread's *key* |
//! | offloaded calls | `offload::course` | the same, or that a callback has kept C's thread waiting since |
//! | callbacks that park | [`Pending`] | (is not looked at: the thread that waits looks at the clock itself) |
//!
//! So C is slow if it has run for the limit *without calling back*; the time in callbacks is not C's. The age is what was seen: up
//! to a look less than the truth.
//!
//! # Who speaks
//!
//! A subscriber is a stranger's code, which may block, panic, or call C. So events are emitted
//!
//! - by the watchdog's thread, which nobody waits for: while C runs, or waits for a callback;
//! - by the owner of a call that has returned, on its way back, outside of C: it has the task's span and subscriber;
//!
//! never under a lock, and behind `catch_unwind`.
//!
//! # Rules
//!
//! 1. A case is known by *what* it is about, an address that belongs to nobody else while the call is there, and there is one
//!    at most for each: a call that was said to be slow is not said to be so again, whatever it does until it returns.
//! 2. [`cases`] decides, under its lock, who says what. Nothing is said of a case whose call is over before the watchdog has
//!    begun to speak of it; otherwise both things are said, in their order.
//! 3. Between opening a case and speaking of it the watchdog passes the heavy fence and looks whether the call goes on still. So either
//!    it sees that the call is over, or the owner, which after C looks whether there are cases ([`ended`]), sees the case.
//! 4. It sleeps for good only when nothing is in progress that could become slow, and nothing can begin without
//!    waking it ([`rouse`], a [`Doze`]): who begins something stores what tells of it, then looks whether the watchdog sleeps. The quick
//!    ways do not look. Those in a frame are covered by the monitor, which is awake when a frame opens, and
//!    while it is, or the frame is open, the watchdog is; brief calls by their *turns*, which the watchdog takes back before it sleeps, so that the
//!    next one goes the slow way.
//! 5. No lock that others take is held while the watchdog reads `/proc`, waits, or speaks.
//!
//! # What it may miss
//!
//! A brief call whose thread is kept from running between the look at its turn and C, for longer than lies between two looks, in a
//! process where nothing else goes on. Calls that are made while a thread's destructors run. The end, on a system without
//! `membarrier`, if it comes within the millisecond after the limit and the store that tells of it takes as long to be seen.
//! Where a thread's memory cannot be read, the name and the limit of a call; and its end may be said when a call under a callback of it
//! has ended.

mod cases;
mod limits;
mod memory;
mod pace;
mod parent;
mod pending;
mod places;
mod say;
mod watched;
mod whereabouts;

pub(crate) use cases::{Case, Kind, any_case, end_quietly, ended, forget, open, say, withdraw};
pub(crate) use limits::limits;
pub(crate) use memory::copy;
pub(crate) use parent::Parent;
pub(crate) use pending::Pending;
pub(crate) use watched::{Terms, Watch, parent_of, smallest, terms_of};

use crate::background;
use crate::doze::Doze;
use crate::sync::{AtomicU32, Mutex, light_fence, lock, register_heavy_fence};
use pace::Pace;
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::Duration;

/// Looks in a row that find nothing before the watchdog sleeps for good. Guessed: so that who makes a call now and then does not pay
/// for a wake-up each time.
const QUIET_LOOKS: u32 = 2;

/// Where there may be something slow.
pub(crate) trait Source: Sync {
    /// Looks, and says what is slow. Whether anything is in progress, or could begin unseen.
    fn look(&self) -> bool;

    /// The same, when the watchdog has said that it is about to sleep; without saying what is slow.
    fn is_busy(&self) -> bool;

    /// The smallest limit that it has for itself.
    fn limit(&self) -> Duration {
        Duration::MAX
    }
}

static DOZE: Doze = Doze::asleep_with(AtomicU32::new(1));
static WATCHDOG: OnceLock<Option<Thread>> = OnceLock::new();
static SOURCES: Mutex<Vec<&dyn Source>> = Mutex::new(Vec::new());

/// Has a source looked at, from now on. Once a source, before it calls [`rouse`].
pub(crate) fn include(source: &'static dyn Source) {
    lock(&SOURCES).push(source);
}

/// To be called when something has begun that may become slow, after the store that tells of it (rule 4).
#[inline]
pub(crate) fn rouse() {
    light_fence();
    if DOZE.rouse() {
        wake();
    }
}

/// As [`rouse`], for what has a limit of its own.
pub(crate) fn rouse_for(limit: Duration) {
    rouse();
    if limit == Duration::MAX {
        return;
    }
    if WATCHDOG.get().is_none() {
        start_once();
    }
    if pace::ask(limit) {
        hurry();
    }
}

/// Has the watchdog look at once.
fn hurry() {
    let _ = DOZE.rouse();
    if let Some(watchdog) = start_once() {
        watchdog.unpark();
    }
}

#[cold]
fn wake() {
    // Without a limit there is nothing to look for.
    let watchdog = if limits().smallest() == Duration::MAX {
        WATCHDOG.get().and_then(Option::as_ref)
    } else {
        start_once()
    };
    watchdog.inspect(|watchdog| watchdog.unpark());
}

/// `None` if the system has no thread for it: then nothing is said.
fn start_once() -> Option<&'static Thread> {
    WATCHDOG
        .get_or_init(|| background::spawn("cede-watchdog", run))
        .as_ref()
}

fn run() {
    register_heavy_fence();
    let mut pace = Pace::new();
    loop {
        watch(&mut pace);
        sleep_until_something_begins();
    }
}

/// Looks until all is quiet.
fn watch(pace: &mut Pace) {
    let mut quiet = 0;
    while quiet < QUIET_LOOKS {
        let sources = lock(&SOURCES).clone();
        let looked = sources.iter().map(|source| source.look());
        let is_busy = looked.fold(false, |busy, source| busy | source);
        cases::tend();
        quiet = if is_busy { 0 } else { quiet + 1 };
        thread::park_timeout(pace.next(|| {
            let limits_of_calls = sources.iter().map(|source| source.limit());
            limits_of_calls.fold(limits().smallest(), Duration::min)
        }));
    }
}

fn sleep_until_something_begins() {
    let is_busy = || lock(&SOURCES).iter().any(|source| source.is_busy());
    if !DOZE.announce() || cases::has_errands() || is_busy() {
        DOZE.retract();
    }
    while DOZE.is_asleep() {
        thread::park();
    }
}
