//! What a subscriber has seen: spans and events, each with the spans that it is in.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

pub type Fields = BTreeMap<&'static str, String>;

/// A span, or an event, and the spans around it, from the inside out.
#[derive(Clone, Debug)]
pub struct Seen {
    pub target: &'static str,
    pub level: Level,
    /// A span's name; `event` for an event.
    pub name: &'static str,
    /// Those of a span as they are in the end.
    pub fields: Fields,
    pub around: Vec<(&'static str, Fields)>,
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field of the nearest span of this name around it.
    pub fn around(&self, span: &str, field: &str) -> Option<&str> {
        let found = self.around.iter().find(|(name, _)| *name == span)?;
        found.1.get(field).map(String::as_str)
    }

    pub fn names_around(&self) -> Vec<&'static str> {
        self.around.iter().map(|(name, _)| *name).collect()
    }
}

/// Keeps all that is seen.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    /// Becomes the process's subscriber.
    pub fn install() -> Self {
        let log = Self::default();
        let subscriber = Registry::default().with(log.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    pub fn all(&self, which: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|seen| which(seen)).cloned().collect()
    }

    /// The spans of this name that are over.
    pub fn spans(&self, name: &str) -> Vec<Seen> {
        self.all(|seen| seen.name == name)
    }

    /// The events with this message.
    pub fn events(&self, message: &str) -> Vec<Seen> {
        self.all(|seen| seen.name == "event" && seen.field("message") == Some(message))
    }
}

struct Read<'a>(&'a mut Fields);

impl Visit for Read<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

fn around<S: for<'a> LookupSpan<'a>>(first: Option<SpanRef<'_, S>>) -> Vec<(&'static str, Fields)> {
    let scope = first.into_iter().flat_map(|span| span.scope());
    let fields = |span: &SpanRef<'_, S>| span.extensions().get::<Fields>().cloned();
    scope
        .map(|span| (span.name(), fields(&span).unwrap_or_default()))
        .collect()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Read(&mut fields));
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut extensions = span.extensions_mut();
        values.record(&mut Read(extensions.get_mut::<Fields>().unwrap()));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Read(&mut fields));
        self.0.lock().unwrap().push(Seen {
            target: event.metadata().target(),
            level: *event.metadata().level(),
            name: "event",
            fields,
            around: around(context.event_span(event)),
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let fields = span.extensions().get::<Fields>().cloned();
        self.0.lock().unwrap().push(Seen {
            target: span.metadata().target(),
            level: *span.metadata().level(),
            name: span.name(),
            fields: fields.unwrap_or_default(),
            around: around(span.parent()),
        });
    }
}
