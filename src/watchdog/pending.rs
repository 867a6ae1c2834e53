//! A thread that waits for a callback: it looks at the clock itself, and has the watchdog speak.

use super::cases::{self, Case, Kind};
use super::limits::limits;
use super::parent::Parent;
use super::{hurry, watched};
use crate::label::Label;
use crate::tid;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// From the moment at which the thread parks first.
pub(crate) struct Pending<'a> {
    label: Option<&'a Label>,
    since: Instant,
    limit: Duration,
    case: Option<Arc<Case>>,
}

impl<'a> Pending<'a> {
    /// Of the call with this label, if of any.
    pub(crate) fn new(label: Option<&'a Label>) -> Self {
        let own = label.and_then(|label| watched::limit_of(label.address()));
        Self {
            label,
            since: Instant::now(),
            limit: own.unwrap_or_else(|| limits().slow_after),
            case: None,
        }
    }

    /// How much longer the thread may wait before that is worth a word; `None` if it never is, or was said.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let is_limited = self.limit != Duration::MAX && self.case.is_none();
        is_limited.then(|| self.limit.saturating_sub(self.since.elapsed()))
    }

    /// It has waited for that long.
    #[cold]
    pub(crate) fn is_slow(&mut self) {
        /// Odd, so that none is an address.
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let own = self
            .label
            .and_then(|label| watched::parent_of(label.address()));
        let case = Arc::new(Case {
            kind: Kind::Callback,
            what: NEXT.fetch_add(2, Ordering::Relaxed),
            label: self.label.copied(),
            thread: tid::own(),
            since: self.since,
            parent: own.or_else(|| Parent::current().map(Arc::new)),
        });
        cases::leave(&case);
        self.case = Some(case);
        hurry();
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(case) = self.case.take() {
            cases::end_quietly(case.what);
        }
    }
}
