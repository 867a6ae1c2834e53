//! A subscriber that keeps the lines.

use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// An event of a library's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) target: String,
    pub(crate) level: Level,
    pub(crate) text: String,
    pub(crate) code: Option<i64>,
    /// The names of the spans that it is in, from the innermost, but for those of calls.
    pub(crate) spans: Vec<&'static str>,
}

/// Keeps what libraries have logged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<Line>>>);

impl Lines {
    /// With a subscriber that writes there.
    pub(crate) fn recorded() -> (Self, Dispatch) {
        let lines = Self::default();
        (
            lines.clone(),
            Dispatch::new(Registry::default().with(lines)),
        )
    }

    pub(crate) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The texts, with the spans that they are in.
    pub(crate) fn take_spans(&self) -> Vec<(String, Vec<&'static str>)> {
        self.take()
            .into_iter()
            .map(|line| (line.text, line.spans))
            .collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !event.metadata().target().starts_with("cede::c::") {
            return;
        }
        let spans = context.event_scope(event).into_iter().flatten();
        let mut line = Line {
            target: event.metadata().target().into(),
            level: *event.metadata().level(),
            text: String::new(),
            code: None,
            spans: spans
                .map(|span| span.name())
                .filter(|&name| name != "call")
                .collect(),
        };
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }
}

impl Visit for Line {
    fn record_i64(&mut self, field: &Field, value: i64) {
        assert_eq!(field.name(), "code");
        self.code = Some(value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        assert_eq!(field.name(), "message");
        self.text = format!("{value:?}");
    }
}
