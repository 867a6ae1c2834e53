//! Events with target `cede`.
//!
//! A subscriber is a stranger's code: what it panics with ends here.

use super::counter;
use super::seldom::Seldom;
use crate::panic::{Payload, caught, discard};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// A worker keeps its slot, because no standby thread could be had. Where that happens it happens to each call.
pub(crate) fn no_standby(why: impl fmt::Debug) {
    static SELDOM: Seldom = Seldom::new();
    counter::KEPT_SLOTS.add(1);
    if let Some(times) = SELDOM.happen() {
        emit(|| {
            tracing::warn!(
                target: "cede",
                ?why,
                times,
                "no standby thread: a worker keeps its slot while C runs (said once a second at most)"
            );
        });
    }
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

/// C has returned from it.
pub(crate) fn abandoned_has_returned(call: &dyn fmt::Display) {
    emit(|| tracing::debug!(target: "cede", %call, "abandoned call has returned"));
}

/// The monitor has taken the slot; C has returned since.
pub(crate) fn slot_was_retaken(call: &dyn fmt::Display) {
    emit(
        || tracing::debug!(target: "cede", %call, "slot retaken while in C: the task waits for one"),
    );
}

/// The slot was given away before C was entered, or before a thread parks.
pub(crate) fn handed_off(call: Option<&impl fmt::Display>) {
    let call = call.map(tracing::field::display);
    emit(|| tracing::debug!(target: "cede", call, "slot handed off"));
}

/// C waits for a future that is not ready.
pub(crate) fn callback_pending(call: &dyn fmt::Display, how: &'static str) {
    emit(|| tracing::debug!(target: "cede", %call, how, "callback pending"));
}

/// The future of a callback has panicked; the call raises it when C has returned.
pub(crate) fn callback_panicked(call: &dyn fmt::Display) {
    emit(
        || tracing::debug!(target: "cede", %call, "callback panicked: raised when C has returned"),
    );
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
