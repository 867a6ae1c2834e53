//! All lanes of the process, for whoever wants to see them.

use super::threads::Shared;
use crate::sync::{Mutex, lock};
use std::sync::{Arc, Weak};

/// What one [`Lane`](crate::Lane) has.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneMetrics {
    /// Its [name](crate::Lane::name). There may be several of one name.
    pub name: String,
    /// Calls in its line: admitted or not, C has not begun.
    pub waiting: usize,
    /// Its threads that are in C, or wait for a callback.
    pub running: usize,
    /// Its threads that have not ended.
    pub threads: usize,
}

/// In the order in which they were started.
static LANES: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// A lane has been started.
pub(super) fn enter(lane: &Arc<Shared>) {
    let mut lanes = lock(&LANES);
    lanes.retain(|lane| lane.strong_count() > 0);
    lanes.push(Arc::downgrade(lane));
}

/// Those whose threads have not all ended.
pub(crate) fn all() -> Vec<LaneMetrics> {
    // One lock after the other, and nothing is dropped under this one.
    let lanes: Vec<_> = lock(&LANES).iter().filter_map(Weak::upgrade).collect();
    let looks = lanes.iter().map(|lane| lane.look());
    looks.filter(|look| look.threads > 0).collect()
}
