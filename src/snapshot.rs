//! What can be read from outside in numbers: all of it, at one moment.

#[cfg(feature = "metrics")]
mod publish;

#[cfg(feature = "metrics")]
pub use publish::publish_metrics;

use crate::lane::{self, LaneMetrics};
use crate::observe::{self, ByMode, Histogram, counter, gauge};
use crate::slot;

/// What the crate has done and has, process-wide, at one moment. Taken by [`metrics`](metrics()).
///
/// # How exact it is
///
/// Every count is exact once what it counts is over, however many threads have taken part and whether they are still there; and none
/// ever falls. While calls are going on the fields are read one after the other, so that their sums may be off by what happens in
/// between; of [`calls`](Self::calls) in place those of a thread in the midst of one may be missing.
///
/// # What is timed
///
/// No clock is read on the way of a call that keeps its slot: it takes less time than a look at the clock would. So
/// [`call_duration`](Self::call_duration) has every call that is offloaded, on a lane, suspendable or migratable; and of the other modes
/// those that have lost their slot, or began in a frame that had lost it: all [`long`](crate::Call::long) ones on a worker, for one.
/// The rest are in `calls` alone ([`untimed_calls`](Self::untimed_calls)); none of their stretches in C, from one callback to the
/// next, has lasted longer than the monitor's patience (2 ms and less on a machine that is not overloaded), unless their thread had
/// no slot to cede or they were [`brief`](crate::Call::brief).
///
/// Of a call whose slot was retaken the monitor knows since when it has seen C in that stretch, which is up to 1.2 ms after C was entered:
/// that is where its duration begins. A callback that parked its thread counts from where the slot was handed off. So
/// such a duration may lack what came before, and is never too long. Durations end when C has returned, callbacks
/// included.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Calls ever, by mode: those whose C has begun.
    pub calls: ByMode<u64>,
    /// How long calls have taken, by mode: those that are timed, see above.
    pub call_duration: ByMode<Histogram>,
    /// How long offloaded calls, on no lane, have waited for their thread.
    pub offload_queue_wait: Histogram,
    /// How long calls have stood in a lane's line.
    pub lane_queue_wait: Histogram,
    /// How long calls that had lost their slot have waited, from C's return to the poll that delivered the result.
    pub slot_wait: Histogram,
    /// Calls in flight in place: their C, or a callback of theirs, is on the stack of a thread.
    pub in_place_calls: usize,
    /// Callbacks ever whose future was polled, whatever came of it; one that waits still may be missing. Neither leaves, which run right
    /// there, nor [`foreign_callbacks`](Self::foreign_callbacks).
    pub callbacks: u64,
    /// Those among them that were not ready at their first poll.
    pub callbacks_waited: u64,
    /// Slots that the monitor took from a call that lasted.
    pub retakes: u64,
    /// Slots that a call gave away itself: `long()`, a callback that parks, a worker whose calls have been long.
    pub hand_offs: u64,
    /// Slots that were kept while C ran, because no standby thread was to be had.
    pub kept_slots: u64,
    /// How frames have ended that had ceded a slot.
    pub reacquires: Reacquires,
    /// Callbacks that were refused.
    pub refusals: u64,
    /// Callbacks that panicked, be it only when they were refused and dropped.
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
    /// Standby threads that were ever started.
    pub standby_threads_ever: u64,
    /// Calls whose C waits for a callback while no thread does: a suspended stack each. Those that were forgotten
    /// (`std::mem::forget`) are counted for good, those in [`leaked_stacks`](Self::leaked_stacks) no more.
    pub suspended_calls: usize,
    /// C stacks alive: those in use, and those kept for the next call.
    pub stacks: usize,
    /// C stacks that run a call, are suspended, or were [given up](Self::leaked_stacks).
    pub stacks_in_use: usize,
    /// C stacks kept for the next call, by threads and in the pool for all ([`Config::cached_stacks`](crate::Config::cached_stacks)).
    pub stacks_cached: usize,
    /// The most C stacks that were ever alive at once.
    pub stacks_peak: usize,
    /// Address space set aside for C stacks, in bytes. Memory is committed when it is touched.
    pub stack_bytes_mapped: usize,
    /// The most that was ever set aside at once, in bytes.
    pub stack_bytes_mapped_peak: usize,
    /// Registrations alive.
    pub registrations: usize,
    /// Offloaded calls in flight, on lanes and not: begun or in line, C has not returned. Taken in one step with
    /// `abandoned_calls`.
    pub offloaded_calls: usize,
    /// Those among them whose future is gone while C runs on.
    pub abandoned_calls: usize,
    /// Calls that were ever abandoned with C running.
    pub abandoned_calls_ever: u64,
    /// Calls in the lines of all lanes: admitted or not, C has not begun.
    pub lane_calls_waiting: usize,
    /// Threads of all lanes that are in C, or wait for a callback.
    pub lane_calls_running: usize,
    /// The lanes whose threads have not all ended, in the order in which they were started.
    pub lanes: Vec<LaneMetrics>,
}

/// How frames have ended that had ceded a slot. A call by itself has one, calls in a [`scope`](crate::scope) share one a poll.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reacquires {
    /// With the slot that was ceded: nobody took it.
    pub same_slot: u64,
    /// With the slot again: it was given away, and no thread had come for it yet, or the one that did was idle.
    pub idle_worker: u64,
    /// Without a slot: the task went back to the run queue, to get one there.
    pub run_queue: u64,
}

impl Reacquires {
    /// Each kind's name, the one that published metrics have, and how often it was.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("same_slot", self.same_slot),
            ("idle_worker", self.idle_worker),
            ("run_queue", self.run_queue),
        ]
        .into_iter()
    }
}

impl Metrics {
    /// Calls in flight: in place, suspended and offloaded ones.
    pub fn in_flight(&self) -> usize {
        self.in_place_calls + self.suspended_calls + self.offloaded_calls
    }

    /// Calls, by mode, whose duration is not in [`call_duration`](Self::call_duration): those that are in flight, and those that have
    /// ended untimed ([above](Self#what-is-timed)).
    pub fn untimed_calls(&self) -> ByMode<u64> {
        ByMode::from_fn(|mode| {
            let timed = self.call_duration.of(mode).count();
            self.calls.of(mode).saturating_sub(timed)
        })
    }
}

/// Reads the crate's counters, gauges and histograms.
///
/// May be called from anywhere and by any thread, also under C and by a subscriber. It waits for no call: the locks it takes, one
/// after the other (of the list of threads, of the lanes), are held for a few instructions each time, and nothing of a user's runs
/// under them. It takes about a microsecond (measured, see the crate's benches), and some cache misses more for each thread that
/// makes calls: for a look now and then, not for every call.
pub fn metrics() -> Metrics {
    // What ends is read before what begins, so that a call is not seen to have ended before it began.
    let call_duration = ByMode::from_fn(|mode| observe::call_duration(mode).get());
    let slot_wait = observe::SLOT_WAIT.get();
    let (offload_queue_wait, lane_queue_wait) = (
        observe::OFFLOAD_QUEUE_WAIT.get(),
        observe::LANE_QUEUE_WAIT.get(),
    );
    // Before the retakes: the monitor counts one under the very lock in which it makes it.
    let (counted, lent) = slot::counted();
    let mut calls = counted.calls();
    // Each has waited in a queue, be it for no time.
    (calls.offloaded, calls.lane) = (offload_queue_wait.count(), lane_queue_wait.count());
    let (offloaded_calls, abandoned_calls) = gauge::OFFLOADED.get();
    // After those that are there now, so that it is not less.
    let abandoned_calls_ever = gauge::OFFLOADED.abandoned_ever();
    let stacks_in_use = lent + gauge::STACKS_ACQUIRED.get();
    let stacks = gauge::STACKS.get();
    Metrics {
        calls,
        call_duration,
        offload_queue_wait,
        lane_queue_wait,
        slot_wait,
        in_place_calls: lent + counted.in_flight(),
        callbacks: counted.callbacks + counter::CALLBACKS_ELSEWHERE.get(),
        callbacks_waited: counted.callbacks_waited + counter::CALLBACKS_ELSEWHERE_WAITED.get(),
        retakes: counter::RETAKES.get(),
        kept_slots: counter::KEPT_SLOTS.get(),
        hand_offs: counter::HAND_OFFS.get(),
        reacquires: Reacquires {
            same_slot: counted.kept,
            idle_worker: counted.came_back,
            run_queue: counted.requeued,
        },
        refusals: counter::REFUSALS.get(),
        panics: counter::PANICS.get(),
        leaked_stacks: counter::LEAKED_STACKS.get(),
        foreign_callbacks: counter::FOREIGN_CALLBACKS.get(),
        late_callbacks: counter::LATE_CALLBACKS.get(),
        dropped_events: counter::DROPPED_EVENTS.get(),
        standby_threads: gauge::STANDBY_THREADS.get(),
        standby_threads_ever: counter::STANDBY_THREADS_STARTED.get(),
        suspended_calls: gauge::SUSPENDED_CALLS.get(),
        stacks,
        stacks_in_use,
        stacks_cached: stacks.saturating_sub(stacks_in_use),
        stacks_peak: gauge::STACKS.peak(),
        stack_bytes_mapped: gauge::STACK_BYTES_MAPPED.get(),
        stack_bytes_mapped_peak: gauge::STACK_BYTES_MAPPED.peak(),
        registrations: gauge::REGISTRATIONS.get(),
        offloaded_calls,
        abandoned_calls,
        abandoned_calls_ever,
        lane_calls_waiting: gauge::LANE_CALLS_WAITING.get(),
        lane_calls_running: gauge::LANE_CALLS_RUNNING.get(),
        lanes: lane::all(),
    }
}
