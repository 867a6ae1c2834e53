//! What has been found to be slow, until it is over.
//!
//! ```text
//!                   say: the watchdog speaks            it has spoken            the owner speaks
//!   open ──▶ Due ───────────────────────────▶ Saying ─────────────────▶ Said ─────────────────────▶ (gone)
//!             │ ended, withdrawn: nothing         │ ended                  │ ended, under C           ▲
//!             ▼                                   ▼                        ▼        the watchdog      │
//!           (gone)                              Over ◀─────────────────── Over ──── speaks ──────────┘
//! ```
//!
//! A case is taken from one stage to the next under the lock, and spoken of outside of it. Nothing that is a stranger's is cloned or
//! dropped under the lock.

use super::parent::Parent;
use super::{hurry, say as events};
use crate::label::Label;
use crate::sync::{AtomicU64, Mutex, Ordering, light_fence, lock};
use crate::tid;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// C.
    Call,
    /// C that was promised to be brief.
    Brief,
    /// A callback, for which C's thread waits.
    Callback,
}

/// What is known of it.
pub(crate) struct Case {
    pub(crate) kind: Kind,
    /// The address of what it is about (rule 1). Zero if that could not be read.
    pub(crate) what: usize,
    pub(crate) label: Option<Label>,
    pub(crate) thread: i32,
    pub(crate) since: Instant,
    pub(crate) parent: Option<Arc<Parent>>,
}

impl Case {
    fn is(&self, what: usize, is_callback: bool) -> bool {
        self.what == what && (self.kind == Kind::Callback) == is_callback
    }
}

enum Stage {
    Due,
    Saying,
    Said,
    /// It took so long, and the end is to be said by the watchdog, there.
    Over(Duration, Option<Parent>),
}

struct Entry {
    case: Arc<Case>,
    stage: Stage,
}

static CASES: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// A bit for each address that there may be a case about, so that calls need not take the lock to find that there is none
/// about them.
static BITS: AtomicU64 = AtomicU64::new(0);

fn bit(what: usize) -> u64 {
    if what == 0 {
        return u64::MAX;
    }
    let spread = (what as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    1 << (spread >> 58)
}

/// Sets `BITS` right.
fn note(cases: &[Entry]) {
    let bits = cases
        .iter()
        .fold(0, |bits, entry| bits | bit(entry.case.what));
    BITS.store(bits, Ordering::SeqCst);
}

/// Owner, after C: whether there is any case, perhaps about its call. One load.
#[inline(always)]
pub(crate) fn any_case() -> bool {
    BITS.load(Ordering::Relaxed) != 0
}

#[inline]
fn may_be_about(what: usize) -> bool {
    BITS.load(Ordering::Relaxed) & bit(what) != 0
}

/// Opens a case, of which nothing is said yet. `false` if there is one about it already.
#[must_use]
pub(crate) fn open(case: &Arc<Case>) -> bool {
    let mut cases = lock(&CASES);
    let is_callback = case.kind == Kind::Callback;
    if case.what != 0 && cases.iter().any(|c| c.case.is(case.what, is_callback)) {
        return false;
    }
    cases.push(Entry {
        case: case.clone(),
        stage: Stage::Due,
    });
    note(&cases);
    true
}

/// Takes a case back of which nothing was said.
pub(crate) fn withdraw(case: &Arc<Case>) {
    let mut cases = lock(&CASES);
    let due = |entry: &Entry| Arc::ptr_eq(&entry.case, case) && matches!(entry.stage, Stage::Due);
    let entry = cases.iter().position(due).map(|at| cases.swap_remove(at));
    note(&cases);
    drop(cases);
    drop(entry);
}

/// Watchdog: speaks of a case, unless it is over.
pub(crate) fn say(case: &Arc<Case>) {
    if !advance(case, &Stage::Due, Stage::Saying) {
        return;
    }
    events::is_slow(case);
    if !advance(case, &Stage::Saying, Stage::Said) {
        tend();
    }
}

/// From one stage to the next, if the case is at the first.
fn advance(case: &Arc<Case>, from: &Stage, to: Stage) -> bool {
    let mut cases = lock(&CASES);
    let entry = cases.iter_mut().find(|e| Arc::ptr_eq(&e.case, case));
    let entry = entry.filter(|e| std::mem::discriminant(&e.stage) == std::mem::discriminant(from));
    let is_there = entry.is_some();
    // What is replaced has nothing of a stranger's: only `Over` has, from which no way leads here.
    if let Some(entry) = entry {
        entry.stage = to;
    }
    is_there
}

/// Owner of a call: C has returned, and the caller is outside of it. To be called after the store that tells of it.
#[inline]
pub(crate) fn ended(what: usize) {
    light_fence();
    if may_be_about(what) {
        end(what, false);
    }
}

/// Owner of a callback, perhaps under C: as [`ended`], leaving the words to the watchdog.
pub(crate) fn end_quietly(what: usize) {
    light_fence();
    if may_be_about(what) {
        end(what, true);
    }
}

/// Owner of a call whose C never returns: its address will be somebody else's.
pub(crate) fn forget(what: usize) {
    let mut cases = lock(&CASES);
    let at = cases.iter().position(|entry| entry.case.is(what, false));
    let entry = at.map(|at| cases.swap_remove(at));
    note(&cases);
    drop(cases);
    drop(entry);
}

#[cold]
#[inline(never)]
fn end(what: usize, is_callback: bool) {
    let here = Parent::current();
    let mut cases = lock(&CASES);
    let known = cases.iter().position(|c| c.case.is(what, is_callback));
    // Of a call that could not be read it is known that it ends on its thread.
    let unread = || {
        let thread = tid::own();
        cases
            .iter()
            .position(|c| !is_callback && c.case.is(0, false) && c.case.thread == thread)
    };
    let Some(at) = known.or_else(unread) else {
        drop(cases);
        return drop(here);
    };
    let took = cases[at].case.since.elapsed();
    let is_left = match cases[at].stage {
        Stage::Saying => true,
        Stage::Said => is_callback,
        Stage::Due | Stage::Over(..) => false,
    };
    if is_left {
        cases[at].stage = Stage::Over(took, here);
        drop(cases);
        return hurry();
    }
    let entry = cases.swap_remove(at);
    note(&cases);
    drop(cases);
    if matches!(entry.stage, Stage::Said) {
        events::is_over(&entry.case, took, None);
    }
}

/// Watchdog: whether [`tend`] has something to do.
pub(super) fn has_errands() -> bool {
    let cases = lock(&CASES);
    cases
        .iter()
        .any(|entry| matches!(entry.stage, Stage::Due | Stage::Over(..)))
}

/// Watchdog: speaks of what others have left to it. What it has opened itself it has spoken of, or taken back.
pub(super) fn tend() {
    while let Some(case) = first(|stage| matches!(stage, Stage::Due)) {
        say(&case);
    }
    while let Some(case) = first(|stage| matches!(stage, Stage::Over(..))) {
        let mut cases = lock(&CASES);
        let at = cases.iter().position(|e| Arc::ptr_eq(&e.case, &case));
        let entry = at.map(|at| cases.swap_remove(at));
        note(&cases);
        drop(cases);
        if let Some(Entry {
            stage: Stage::Over(took, parent),
            ..
        }) = entry
        {
            events::is_over(&case, took, parent.as_ref());
        }
    }
}

fn first(is_meant: impl Fn(&Stage) -> bool) -> Option<Arc<Case>> {
    let cases = lock(&CASES);
    let meant = cases.iter().find(|entry| is_meant(&entry.stage));
    meant.map(|entry| entry.case.clone())
}
