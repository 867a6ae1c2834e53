//! What happens often when it happens, and is said now and then.

use crate::sync::{Mutex, lock};
use std::mem::take;
use std::time::{Duration, Instant};

/// For what is said once a second at most.
pub(super) struct Seldom(Mutex<Unsaid>);

struct Unsaid {
    last_said: Option<Instant>,
    times: u64,
}

impl Seldom {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Unsaid {
            last_said: None,
            times: 0,
        }))
    }

    /// It has happened. How often since it was said last, if it is to be said now.
    pub(super) fn happen(&self) -> Option<u64> {
        let now = Instant::now();
        let mut unsaid = lock(&self.0);
        unsaid.times += 1;
        let is_due = unsaid
            .last_said
            .is_none_or(|last| now.saturating_duration_since(last) >= Duration::from_secs(1));
        is_due.then(|| {
            unsaid.last_said = Some(now);
            take(&mut unsaid.times)
        })
    }
}
