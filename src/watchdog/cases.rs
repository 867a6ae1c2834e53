//! What has been found to be slow, until it is over.
//!
//! ```text
//!   open ──▶ Open ──┐ say                 it has spoken            the owner speaks
//!                   ├──────────▶ Saying ─────────────────▶ Said ─────────────────────▶ (gone)
//!   leave ─▶ Due ───┘               │ ended                  │ ended, under C           ▲
//!             │ ended, withdrawn:   ▼                        ▼        the watchdog      │
//!             ▼ nothing            Over ◀─────────────────── Over ──── speaks ──────────┘
//!           (gone)
//! ```
//!
//! The watchdog opens cases, and says or withdraws each when it knows whether the call goes on (rule 3); others leave theirs to it,
//! which goes on as long as the case does.
//!
//! A case is taken from one stage to the next under the lock, and spoken of outside of it. Nothing that is a stranger's is cloned or
//! dropped under the lock. A case that is over is about nothing any more: what lies at its address is another call by now, or
//! another callback.

use super::parent::Parent;
use super::{hurry, places, say as events};
use crate::label::Label;
use crate::sync::{Mutex, light_fence, lock};
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

enum Stage {
    /// The watchdog's, which is about to say or to withdraw it.
    Open,
    /// Left to the watchdog.
    Due,
    Saying,
    Said,
    /// It took so long, and the end is to be said by the watchdog, there.
    Over(Duration, Option<Parent>),
}

struct Entry {
    what: usize,
    is_callback: bool,
    case: Arc<Case>,
    stage: Stage,
}

impl Entry {
    fn is_about(&self, what: usize, is_callback: bool) -> bool {
        let is_over = matches!(self.stage, Stage::Over(..));
        !is_over && self.what == what && self.is_callback == is_callback
    }
}

/// In no order.
struct Cases(Vec<Entry>);

static CASES: Mutex<Cases> = Mutex::new(Cases(Vec::new()));

impl Cases {
    fn add(&mut self, case: &Arc<Case>, stage: Stage) {
        self.0.push(Entry {
            what: case.what,
            is_callback: case.kind == Kind::Callback,
            case: case.clone(),
            stage,
        });
        places::enter(case.what);
    }

    fn remove(&mut self, at: usize) -> Entry {
        let entry = self.0.swap_remove(at);
        places::leave(entry.what);
        entry
    }

    /// The case about this, unless it is over.
    fn about(&self, what: usize, is_callback: bool) -> Option<usize> {
        let is_meant = |entry: &Entry| entry.is_about(what, is_callback);
        self.0.iter().position(is_meant)
    }

    /// The same, to end it. Of a call that could not be read it is known that it ends on its thread.
    fn ended_by(&self, what: usize, is_callback: bool) -> Option<usize> {
        let unread = || {
            let thread = tid::own();
            let is_unread = |entry: &Entry| entry.is_about(0, false) && entry.case.thread == thread;
            self.0.iter().position(is_unread)
        };
        let known = self.about(what, is_callback);
        known.or_else(|| if is_callback { None } else { unread() })
    }

    fn find(&mut self, case: &Arc<Case>) -> Option<usize> {
        self.0.iter().position(|e| Arc::ptr_eq(&e.case, case))
    }
}

/// Owner, after C: whether there is any case, perhaps about its call. One load.
#[inline(always)]
pub(crate) fn any_case() -> bool {
    places::any()
}

/// Opens a case, of which nothing is said yet: the watchdog then [says](say) or [withdraws](withdraw) it. `false` if there is one about
/// it already.
#[must_use]
pub(crate) fn open(case: &Arc<Case>) -> bool {
    let mut cases = lock(&CASES);
    let is_callback = case.kind == Kind::Callback;
    let is_new = case.what == 0 || cases.about(case.what, is_callback).is_none();
    if is_new {
        cases.add(case, Stage::Open);
    }
    is_new
}

/// Opens a case for the watchdog to speak of: the calling thread's, who is to end it.
pub(super) fn leave(case: &Arc<Case>) {
    lock(&CASES).add(case, Stage::Due);
}

/// Takes a case back of which nothing was said.
pub(crate) fn withdraw(case: &Arc<Case>) {
    let mut cases = lock(&CASES);
    let open = |entry: &Entry| Arc::ptr_eq(&entry.case, case) && matches!(entry.stage, Stage::Open);
    let at = cases.0.iter().position(open);
    let entry = at.map(|at| cases.remove(at));
    drop(cases);
    drop(entry);
}

/// Watchdog: speaks of a case that it has opened, unless that is over.
pub(crate) fn say(case: &Arc<Case>) {
    if advance(case, &Stage::Open, Stage::Saying) {
        speak(case);
    }
}

fn speak(case: &Arc<Case>) {
    events::is_slow(case);
    if !advance(case, &Stage::Saying, Stage::Said) {
        tend_to_ends();
    }
}

/// From one stage to the next, if the case is at the first.
fn advance(case: &Arc<Case>, from: &Stage, to: Stage) -> bool {
    let mut cases = lock(&CASES);
    let Some(at) = cases.find(case) else {
        return false;
    };
    let stage = &mut cases.0[at].stage;
    let is_there = std::mem::discriminant(stage) == std::mem::discriminant(from);
    // What is replaced has nothing of a stranger's: only `Over` has, from which no way leads here.
    if is_there {
        *stage = to;
    }
    is_there
}

/// Owner of a call: C has returned, and the caller is outside of it. To be called after the store that tells of it.
#[inline]
pub(crate) fn ended(what: usize) {
    light_fence();
    if places::may_be_about(what) {
        end(what, false);
    }
}

/// Owner of a callback, perhaps under C: as [`ended`], leaving the words to the watchdog.
pub(crate) fn end_quietly(what: usize) {
    light_fence();
    if places::may_be_about(what) {
        end(what, true);
    }
}

/// Owner of a call whose C never returns: its address will be somebody else's.
pub(crate) fn forget(what: usize) {
    let mut cases = lock(&CASES);
    let at = cases.about(what, false);
    let entry = at.map(|at| cases.remove(at));
    drop(cases);
    drop(entry);
}

#[cold]
#[inline(never)]
fn end(what: usize, is_callback: bool) {
    // Nearly always there is none: some other's address has the same place. If there is one, nobody else ends it.
    if lock(&CASES).ended_by(what, is_callback).is_none() {
        return;
    }
    let here = Parent::current();
    let mut cases = lock(&CASES);
    let Some(at) = cases.ended_by(what, is_callback) else {
        drop(cases);
        return drop(here);
    };
    let entry = &mut cases.0[at];
    let took = entry.case.since.elapsed();
    let is_left = match entry.stage {
        Stage::Saying => true,
        Stage::Said => is_callback,
        Stage::Open | Stage::Due | Stage::Over(..) => false,
    };
    if is_left {
        entry.stage = Stage::Over(took, here);
        drop(cases);
        return hurry();
    }
    let entry = cases.remove(at);
    drop(cases);
    if matches!(entry.stage, Stage::Said) {
        events::is_over(&entry.case, took, None);
    }
}

/// Watchdog: whether [`tend`] has something to do.
pub(super) fn has_errands() -> bool {
    let is_errand = |entry: &Entry| matches!(entry.stage, Stage::Due | Stage::Over(..));
    lock(&CASES).0.iter().any(is_errand)
}

/// Watchdog: speaks of what others have left to it.
pub(super) fn tend() {
    while let Some(case) = first(|stage| matches!(stage, Stage::Due)) {
        if advance(&case, &Stage::Due, Stage::Saying) {
            speak(&case);
        }
    }
    tend_to_ends();
}

fn tend_to_ends() {
    while let Some(case) = first(|stage| matches!(stage, Stage::Over(..))) {
        let mut cases = lock(&CASES);
        let at = cases.find(&case);
        let entry = at.map(|at| cases.remove(at));
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
    let meant = cases.0.iter().find(|entry| is_meant(&entry.stage));
    meant.map(|entry| entry.case.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tracing::Subscriber;
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
    use tracing_subscriber::registry::Registry;

    fn case(what: usize) -> Arc<Case> {
        Arc::new(Case {
            kind: Kind::Call,
            what,
            label: None,
            thread: tid::own(),
            since: Instant::now(),
            parent: None,
        })
    }

    /// Notes what is said, and has a call return while it is spoken of.
    struct Notes(Arc<Mutex<Vec<String>>>, usize);

    impl<S: Subscriber> Layer<S> for Notes {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            lock(&self.0).push(event.metadata().name().into());
            ended(self.1);
        }
    }

    /// One that has returned while it was spoken of does not have others spoken of of which it is not known yet that they go on.
    #[test]
    fn what_is_open_is_spoken_of_when_that_is_said() {
        let (one, other) = (case(0x1001), case(0x1003));
        let said = Arc::default();
        let subscriber = Registry::default().with(Notes(Arc::clone(&said), one.what));
        tracing::subscriber::with_default(subscriber, || {
            assert!(open(&one) && open(&other));
            say(&one);
            withdraw(&other);
        });
        // That it has returned is said where it has: within an event, where nobody listens.
        assert_eq!(lock(&said).len(), 1, "{said:?}");
    }
}
