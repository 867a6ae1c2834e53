//! What can be seen from outside: what is counted and timed, and events with target `cede`. It is put together in `snapshot`.

mod by_mode;
mod count;
mod event;
mod histogram;
mod kept_span;
mod seen;
mod seldom;
mod spans_aside;
mod tally;

pub use by_mode::ByMode;
pub use histogram::Histogram;

pub(crate) use count::{Counted, counter, gauge};
pub(crate) use event::*;
pub(crate) use kept_span::KeptSpan;
pub(crate) use seen::{Seen, enter, exit, is_wanted};
pub(crate) use spans_aside::{Base, SpansAside};
pub(crate) use tally::{Count, Reacquired, Tally, Totals};

use crate::label::CallMode;

use histogram::Recorded;

/// From C's return without the slot to the poll that delivers.
pub(crate) static SLOT_WAIT: Recorded = Recorded::new();

/// From the moment a call is given to a thread to that in which C begins.
pub(crate) static OFFLOAD_QUEUE_WAIT: Recorded = Recorded::new();

/// The same, for lanes.
pub(crate) static LANE_QUEUE_WAIT: Recorded = Recorded::new();

/// From C's beginning to its return, as far as that is known.
pub(crate) fn call_duration(mode: CallMode) -> &'static Recorded {
    static BY_MODE: [Recorded; CallMode::ALL.len()] =
        [const { Recorded::new() }; CallMode::ALL.len()];
    &BY_MODE[mode as usize]
}
