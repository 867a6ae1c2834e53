//! Calls in place that somebody wants to be told of in a way of their own: with a limit, or as part of a span.

use super::limits::{Limits, limits};
use super::parent::Parent;
use super::{Kind, rouse_for};
use crate::label::{Label, Mode};
use crate::sync::{AtomicBool, Mutex, Ordering, lock};
use std::sync::Arc;
use std::time::Duration;

/// When a call is slow.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    pub(crate) limit: Duration,
}

struct Entry {
    what: usize,
    slow_after: Option<Duration>,
    parent: Option<Arc<Parent>>,
}

static WATCHED: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
static ANY: AtomicBool = AtomicBool::new(false);

/// A call is told of in this way while this is there: from before C to after it.
#[must_use]
pub(crate) struct Watch(usize);

impl Watch {
    /// `slow_after` instead of the process's limit, if there is one; `Duration::MAX` for never.
    pub(crate) fn new(
        label: &Label,
        slow_after: Option<Duration>,
        parent: Option<Arc<Parent>>,
    ) -> Self {
        let what = label.address();
        {
            let mut watched = lock(&WATCHED);
            watched.push(Entry {
                what,
                slow_after,
                parent,
            });
            ANY.store(true, Ordering::Release);
        }
        slow_after.into_iter().for_each(rouse_for);
        Self(what)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = lock(&WATCHED);
        // The last one, if there are several: they nest.
        let at = watched.iter().rposition(|entry| entry.what == self.0);
        let entry = at.map(|at| watched.remove(at));
        ANY.store(!watched.is_empty(), Ordering::Release);
        drop(watched);
        drop(entry);
    }
}

/// Those of the call with this label, which lies there.
pub(crate) fn terms_of(what: usize, label: &Label) -> Terms {
    let Limits { slow_after, brief } = limits();
    let (kind, usual) = match label.manner.mode {
        Mode::Brief => (Kind::Brief, brief),
        _ => (Kind::Call, slow_after),
    };
    Terms {
        kind,
        limit: limit_of(what).unwrap_or(usual),
    }
}

/// The limit that the call has for itself, if it has.
pub(super) fn limit_of(what: usize) -> Option<Duration> {
    innermost(what, |entry| entry.slow_after)
}

/// What the call belongs to, if that is known. Not to be kept for longer than there is a case about the call: its span, and those
/// around it, go on for as long.
pub(crate) fn parent_of(what: usize) -> Option<Arc<Parent>> {
    innermost(what, |entry| entry.parent.clone())
}

/// Of those that nest.
fn innermost<T>(what: usize, field: impl FnMut(&Entry) -> Option<T>) -> Option<T> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let watched = lock(&WATCHED);
    let of_it = watched.iter().rev().filter(|entry| entry.what == what);
    of_it.into_iter().find_map(field)
}

/// The smallest limit that a call has for itself.
pub(crate) fn smallest() -> Duration {
    if !ANY.load(Ordering::Acquire) {
        return Duration::MAX;
    }
    let watched = lock(&WATCHED);
    let own = watched.iter().filter_map(|entry| entry.slow_after).min();
    own.unwrap_or(Duration::MAX)
}
