//! Logs: a line of JSON an event, with the spans it is in.

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What `SERVICE_LOG` is if it is not said: everything of note, the crate's warnings included.
pub const DEFAULT_FILTER: &str = "info";

/// Starts to log to the standard output. The filter names targets and levels: `info,cede=debug`.
///
/// # Errors
///
/// If the filter is none.
pub fn start(filter: &str) -> Result<(), ParseError> {
    let filter: Targets = filter.parse()?;
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true);
    // Fails if there is a subscriber already, which then gets the events.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
    Ok(())
}
