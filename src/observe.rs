//! What can be seen from outside: counters, gauges, and events with target `cede`.

mod count;
mod event;
mod seen;
mod spans_aside;

pub(crate) use count::{Counted, counter, gauge};
pub(crate) use event::*;
pub(crate) use seen::{Seen, current_span, enter, is_wanted};
pub(crate) use spans_aside::{Base, SpansAside};

use std::sync::atomic::Ordering;

/// What the crate has done and has, process-wide, at one moment. Taken by [`metrics`].
///
/// The fields are read one after the other: each is exact, their sums are exact when nothing is going on.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Slots that the monitor took from a call that lasted.
    pub retakes: u64,
    /// Slots that a call gave away itself: `long()`, a callback that parks, a worker whose calls have been long.
    pub hand_offs: u64,
    /// Callbacks that were refused.
    pub refusals: u64,
    /// Callbacks that panicked.
    pub panics: u64,
    /// Suspended C stacks that had to be given up, because their call was dropped on another thread.
    pub leaked_stacks: u64,
    /// Callbacks of registrations that came from outside of any call: from threads of C's own, as a rule.
    pub foreign_callbacks: u64,
    /// Callbacks that came when their registration had ended; of those that were refused.
    pub late_callbacks: u64,
    /// Events of streams that were dropped because there was no room, or nobody to read them.
    pub dropped_events: u64,
    /// Standby threads alive, idle ones included.
    pub standby_threads: usize,
    /// Calls whose C waits for a callback while no thread does: a suspended stack each. Those that were forgotten
    /// (`std::mem::forget`) are counted for good, those in [`leaked_stacks`](Self::leaked_stacks) no more.
    pub suspended_calls: usize,
    /// C stacks alive: those that run a call, those that are suspended, and those kept for the next call.
    pub stacks: usize,
    /// Address space set aside for C stacks, in bytes. Memory is committed when it is touched.
    pub stack_bytes_mapped: usize,
    /// Registrations alive.
    pub registrations: usize,
    /// Offloaded calls in flight: begun or in line, C has not returned. Taken in one step with `abandoned_calls`.
    pub offloaded_calls: usize,
    /// Those among them whose future is gone while C runs on.
    pub abandoned_calls: usize,
    /// Calls that were ever abandoned with C running.
    pub abandoned_calls_ever: u64,
    /// Calls in the lines of all lanes: admitted or not, C has not begun.
    pub lane_calls_waiting: usize,
    /// Threads of all lanes that are in C, or wait for a callback.
    pub lane_calls_running: usize,
}

/// Reads the crate's counters and gauges.
///
/// Takes no lock and may be called from anywhere, also under C.
pub fn metrics() -> Metrics {
    let (offloaded_calls, abandoned_calls) = gauge::OFFLOADED.get();
    // After those that are there now, so that it is not less.
    let abandoned_calls_ever = gauge::OFFLOADED.abandoned_ever.load(Ordering::Relaxed);
    Metrics {
        retakes: counter::RETAKES.get(),
        hand_offs: counter::HAND_OFFS.get(),
        refusals: counter::REFUSALS.get(),
        panics: counter::PANICS.get(),
        leaked_stacks: counter::LEAKED_STACKS.get(),
        foreign_callbacks: counter::FOREIGN_CALLBACKS.get(),
        late_callbacks: counter::LATE_CALLBACKS.get(),
        dropped_events: counter::DROPPED_EVENTS.get(),
        standby_threads: gauge::STANDBY_THREADS.get(),
        suspended_calls: gauge::SUSPENDED_CALLS.get(),
        stacks: gauge::STACKS.get(),
        stack_bytes_mapped: gauge::STACK_BYTES_MAPPED.get(),
        registrations: gauge::REGISTRATIONS.get(),
        offloaded_calls,
        abandoned_calls,
        abandoned_calls_ever,
        lane_calls_waiting: gauge::LANE_CALLS_WAITING.get(),
        lane_calls_running: gauge::LANE_CALLS_RUNNING.get(),
    }
}
