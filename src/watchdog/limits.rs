//! How long is slow.

use crate::config;
use std::time::Duration;

/// Those of the process. `Duration::MAX` is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) slow_after: Duration,
    pub(crate) brief: Duration,
}

pub(crate) fn limits() -> Limits {
    let config = config::get();
    Limits {
        slow_after: config.slow_after,
        brief: config.brief_limit,
    }
}

impl Limits {
    pub(super) fn smallest(self) -> Duration {
        self.slow_after.min(self.brief)
    }
}
