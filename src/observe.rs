//! What can be seen from outside: counters, gauges, and events with target `cede`.

use crate::panic::{Payload, caught, discard};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A number that only grows.
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that are there now.
pub(crate) struct Gauge(AtomicUsize);

impl Gauge {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: usize) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Offloaded calls in flight, and how many of them are abandoned: in one word, so that the two agree at every moment.
///
/// Changed under the lock of the roll.
pub(crate) struct Offloaded {
    /// The abandoned ones in the upper half.
    now: AtomicU64,
    abandoned_ever: AtomicU64,
}

const ABANDONED: u64 = 1 << 32;

impl Offloaded {
    pub(crate) fn enter(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn abandon(&self) {
        self.abandoned_ever.fetch_add(1, Ordering::Relaxed);
        self.now.fetch_add(ABANDONED, Ordering::Release);
    }

    pub(crate) fn leave(&self, is_abandoned: bool) {
        let less = if is_abandoned { ABANDONED + 1 } else { 1 };
        self.now.fetch_sub(less, Ordering::Relaxed);
    }

    /// In flight, and abandoned.
    fn get(&self) -> (usize, usize) {
        let now = self.now.load(Ordering::Acquire);
        ((now % ABANDONED) as usize, (now / ABANDONED) as usize)
    }
}

/// One more in a gauge, until it is dropped.
#[must_use]
pub(crate) struct Counted(&'static Gauge);

impl Counted {
    pub(crate) fn new(gauge: &'static Gauge) -> Self {
        gauge.add(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

pub(crate) mod counter {
    use super::{AtomicU64, Counter};

    pub(crate) static RETAKES: Counter = Counter(AtomicU64::new(0));
    pub(crate) static HAND_OFFS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static REFUSALS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static PANICS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static LEAKED_STACKS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static FOREIGN_CALLBACKS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static LATE_CALLBACKS: Counter = Counter(AtomicU64::new(0));
    pub(crate) static DROPPED_EVENTS: Counter = Counter(AtomicU64::new(0));
}

pub(crate) mod gauge {
    use super::{AtomicU64, AtomicUsize, Gauge, Offloaded};

    pub(crate) static STANDBY_THREADS: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static SUSPENDED_CALLS: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static STACKS: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static STACK_BYTES_MAPPED: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static REGISTRATIONS: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static LANE_CALLS_WAITING: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static LANE_CALLS_RUNNING: Gauge = Gauge(AtomicUsize::new(0));
    pub(crate) static OFFLOADED: Offloaded = Offloaded {
        now: AtomicU64::new(0),
        abandoned_ever: AtomicU64::new(0),
    };
}

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

/// `true` the first time, for what is said once a process.
fn first(said: &AtomicBool) -> bool {
    !said.swap(true, Ordering::Relaxed)
}

/// Emits an event. A subscriber that panics must not unwind into C, nor into the middle of a hand-off.
fn emit(event: impl FnOnce()) {
    if let Err(payload) = caught(event) {
        discard(payload);
    }
}

/// A call ran on a current-thread runtime, which has no other worker to go on meanwhile.
#[inline]
pub(crate) fn nothing_to_cede() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.load(Ordering::Relaxed) && first(&SAID) {
        emit(|| {
            tracing::warn!(
                target: "cede",
                "C runs in place on a current-thread runtime: its other tasks wait until C returns (said once)"
            );
        });
    }
}

/// A worker keeps its slot during a call because no standby thread could be had.
pub(crate) fn no_standby(why: impl fmt::Debug) {
    emit(
        || tracing::warn!(target: "cede", ?why, "no standby thread: this call keeps its worker's slot"),
    );
}

pub(crate) fn self_test_failed() {
    emit(|| {
        tracing::warn!(
            target: "cede",
            "this tokio does not hand its workers over as expected: calls use plain block_in_place, which is slower"
        );
    });
}

pub(crate) fn leaked_stack(call: &dyn fmt::Display) {
    counter::LEAKED_STACKS.add(1);
    emit(|| {
        tracing::error!(
            target: "cede",
            %call,
            "a suspended call was dropped on a thread that is not its own: its C stack is given up, C never returns"
        );
    });
}

/// A callback of a call that could be suspended parks instead.
#[cold]
pub(crate) fn held(call: &dyn fmt::Display) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if first(&SAID) {
        emit(|| {
            tracing::warn!(
                target: "cede",
                %call,
                "a callback cannot suspend its call, for an executor runs, or a runtime is entered, on the call's C stack: \
                 it waits as in a plain call (said once)"
            );
        });
    }
}

/// A callback is not run. What only a mistake in the program can bring about is a warning.
pub(crate) fn refused(call: Option<&dyn fmt::Display>, why: crate::Refused) {
    use crate::Refused::{NotLent, Reentered};
    counter::REFUSALS.add(1);
    emit(|| match (call, why) {
        (Some(call), Reentered | NotLent) => {
            tracing::warn!(target: "cede", %call, %why, "callback refused");
        }
        (None, Reentered | NotLent) => tracing::warn!(target: "cede", %why, "callback refused"),
        (Some(call), _) => tracing::debug!(target: "cede", %call, %why, "callback refused"),
        (None, _) => tracing::debug!(target: "cede", %why, "callback refused"),
    });
}

/// A leaf has panicked where there is no call to raise it from.
pub(crate) fn panicked_outside() {
    emit(|| {
        tracing::error!(
            target: "cede",
            "a callback panicked outside of any call: the panic goes no further"
        );
    });
}

/// Two bare callbacks of one type would be lent at once.
pub(crate) fn lent_twice(place: &dyn fmt::Display) {
    emit(|| {
        tracing::error!(
            target: "cede",
            %place,
            "two bare callbacks of one type at once: C could not tell them apart"
        );
    });
}

/// A callback came when its registration had ended.
pub(crate) fn late_callback(of: &'static str) {
    counter::LATE_CALLBACKS.add(1);
    counter::REFUSALS.add(1);
    emit(|| {
        tracing::warn!(
            target: "cede",
            of,
            "a callback came when its registration had ended, and was refused"
        );
    });
}

/// C has passed for a registration's user data what is none.
pub(crate) fn misused_data(of: &'static str, why: impl fmt::Display) {
    counter::REFUSALS.add(1);
    emit(|| {
        tracing::error!(
            target: "cede",
            of,
            %why,
            "the user data of a callback is not its registration's: refused"
        );
    });
}

/// A callback that no call waits for has panicked. Its panic ends here.
pub(crate) fn foreign_callback_panicked(registered_at: &dyn fmt::Display, payload: &Payload) {
    counter::PANICS.add(1);
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(not a string)");
    emit(|| {
        tracing::error!(
            target: "cede",
            %registered_at,
            panic = message,
            "a callback outside of any call has panicked: C gets the fallback"
        );
    });
}

/// An offloaded call's future is gone, and C runs on.
pub(crate) fn abandoned(call: &dyn fmt::Display) {
    emit(|| tracing::debug!(target: "cede", %call, "offloaded call abandoned: C runs on"));
}

/// A call is to be interrupted by a signal, and there is none.
pub(crate) fn no_signal() {
    emit(|| {
        tracing::warn!(
            target: "cede",
            "no signal without a handler: calls with Cancel::Signal are abandoned instead (said once)"
        );
    });
}

/// An interruption cannot be repeated, since no thread can be had for it.
pub(crate) fn no_alarm(call: &dyn fmt::Display) {
    emit(
        || tracing::warn!(target: "cede", %call, "no thread: C is interrupted once, and not again"),
    );
}
