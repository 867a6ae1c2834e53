//! The watchdog's events. See the table in the crate's documentation for what they mean.

use super::cases::{Case, Kind};
use super::parent::Parent;
use super::whereabouts;
use crate::panic::{caught, discard};
use std::time::Duration;
use tracing::field::display;

/// Emits a `WARN` about a case: in a given span, or in what the thread is in.
macro_rules! warn_of {
    ($case:expr, $parent:expr, $message:literal, $($field:ident),+) => {{
        let label = $case.label.as_ref();
        let name = label.and_then(|label| label.name);
        let mode = label.map(|label| label.manner.name());
        let location = label.map(|label| display(label.location));
        let thread = $case.thread;
        match $parent {
            Some(parent) => tracing::warn!(
                target: "cede", parent: parent, name, location, mode, thread, $($field),+, $message
            ),
            None => tracing::warn!(
                target: "cede", name, location, mode, thread, $($field),+, $message
            ),
        }
    }};
}

/// It is slow, and goes on. Where a thread sits that waits for a callback, is known.
pub(super) fn is_slow(case: &Case) {
    let age_ms = milliseconds(case.since.elapsed());
    let in_c = case.kind != Kind::Callback;
    let syscall = in_c.then(|| whereabouts::syscall(case.thread)).flatten();
    let syscall = syscall.as_deref();
    guarded(|| {
        lend(case.parent.as_deref(), |parent| match case.kind {
            Kind::Call => warn_of!(case, parent, "slow call", age_ms, syscall),
            Kind::Brief => warn_of!(case, parent, "brief call is not brief", age_ms, syscall),
            Kind::Callback => {
                warn_of!(case, parent, "a callback keeps its thread waiting", age_ms);
            }
        });
    });
}

/// It is over. Said within what the case belongs to, or else, by the watchdog, within what the owner was in; by the owner, within what
/// it is in.
pub(super) fn is_over(case: &Case, took: Duration, left: Option<&Parent>) {
    let took_ms = milliseconds(took);
    let parent = case.parent.as_deref().or(left);
    guarded(|| {
        lend(parent, |parent| match case.kind {
            Kind::Call => warn_of!(case, parent, "slow call has returned", took_ms),
            Kind::Brief => warn_of!(case, parent, "brief call has returned late", took_ms),
            Kind::Callback => warn_of!(
                case,
                parent,
                "a callback that kept its thread waiting is done",
                took_ms
            ),
        });
    });
}

fn lend(parent: Option<&Parent>, event: impl FnOnce(Option<tracing::span::Id>)) {
    match parent {
        None => event(None),
        Some(parent) => parent.lend(event),
    }
}

/// A subscriber's panic ends here.
fn guarded(event: impl FnOnce()) {
    caught(event).unwrap_or_else(discard);
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
