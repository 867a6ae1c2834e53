//! A subscriber that remembers: what spans there were, and what events in which of them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// By name; values as they are written in a log.
pub type Fields = BTreeMap<&'static str, String>;

/// A span, so far.
#[derive(Clone, Debug)]
pub struct SpanSeen {
    id: u64,
    /// Its name.
    pub name: &'static str,
    /// Its target.
    pub target: &'static str,
    /// Its fields, those recorded later included.
    pub fields: Fields,
    /// The spans around it, innermost first, each by its field `name` or else its name.
    pub parents: Vec<String>,
    /// How often it was entered.
    pub entered: usize,
    /// How often it was exited.
    pub exited: usize,
    /// Whether it has ended.
    pub is_closed: bool,
}

/// An event.
#[derive(Clone, Debug)]
pub struct EventSeen {
    /// Its target.
    pub target: &'static str,
    /// Its level.
    pub level: Level,
    /// Its message.
    pub message: String,
    /// Its other fields.
    pub fields: Fields,
    /// The spans it is in, as in [`SpanSeen::parents`].
    pub scope: Vec<String>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<SpanSeen>,
    events: Vec<EventSeen>,
}

/// What was seen so far.
#[derive(Clone, Default)]
pub struct Traced(Arc<Mutex<Seen>>);

impl Traced {
    /// A subscriber that sees what is of this level, or above it.
    pub fn subscriber(
        &self,
        most: LevelFilter,
    ) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync + use<> {
        Registry::default().with(self.clone().with_filter(most))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("nobody panics with it")
    }

    /// The spans so far, in the order in which they began.
    pub fn spans(&self) -> Vec<SpanSeen> {
        self.lock().spans.clone()
    }

    /// The crate's among them.
    pub fn calls(&self) -> Vec<SpanSeen> {
        let mut spans = self.spans();
        spans.retain(|span| span.target == "cede");
        spans
    }

    /// The spans that have not ended.
    pub fn open_spans(&self) -> Vec<SpanSeen> {
        let seen = self.lock();
        let open = seen.spans.iter().filter(|span| !span.is_closed);
        open.cloned().collect()
    }

    /// The one call that there was.
    pub fn call(&self) -> SpanSeen {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls[0].clone()
    }

    /// The events so far that this is true of.
    pub fn events(&self, is_meant: impl Fn(&EventSeen) -> bool) -> Vec<EventSeen> {
        let seen = self.lock();
        let meant = seen.events.iter().filter(|event| is_meant(event));
        meant.cloned().collect()
    }

    /// The messages of the events about the call of this name.
    pub fn messages_of(&self, name: &str) -> Vec<String> {
        let is_of_it = |event: &EventSeen| event.fields.get("name").is_some_and(|n| n == name);
        let events = self.events(is_of_it).into_iter();
        events.map(|event| event.message).collect()
    }

    /// The crate's events whose message begins with this.
    pub fn of_cede(&self, message: &str) -> Vec<EventSeen> {
        self.events(|event| event.target == "cede" && event.message.starts_with(message))
    }
}

fn number(fields: &Fields, field: &str) -> u64 {
    let value = fields.get(field);
    let value = value.unwrap_or_else(|| panic!("no {field} in {fields:?}"));
    value.parse().expect("a number")
}

impl EventSeen {
    /// A number among the fields.
    pub fn number(&self, field: &str) -> u64 {
        number(&self.fields, field)
    }
}

impl SpanSeen {
    /// A number among the fields.
    pub fn number(&self, field: &str) -> u64 {
        number(&self.fields, field)
    }

    fn known_as(name: &str, fields: &Fields) -> String {
        fields.get("name").cloned().unwrap_or_else(|| name.into())
    }
}

struct Into<'a>(&'a mut Fields);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.into());
    }
}

/// The names that a span is known as, kept with it.
struct KnownAs(String);

fn scope_of<'a, S>(spans: Option<tracing_subscriber::registry::Scope<'a, S>>) -> Vec<String>
where
    S: for<'b> LookupSpan<'b>,
{
    let names = spans.into_iter().flatten().map(|span| {
        let extensions = span.extensions();
        extensions
            .get::<KnownAs>()
            .map_or_else(|| span.name().into(), |known| known.0.clone())
    });
    names.collect()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traced {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Into(&mut fields));
        let span = context.span(id).expect("it is new");
        let parents = scope_of(span.parent().map(|parent| parent.scope()));
        let (name, target) = (span.name(), span.metadata().target());
        let known_as = KnownAs(SpanSeen::known_as(name, &fields));
        span.extensions_mut().replace(known_as);
        self.lock().spans.push(SpanSeen {
            id: id.into_u64(),
            name,
            target,
            fields,
            parents,
            entered: 0,
            exited: 0,
            is_closed: false,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.change(id, |span| values.record(&mut Into(&mut span.fields)));
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.change(id, |span| span.entered += 1);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.change(id, |span| span.exited += 1);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.change(&id, |span| span.is_closed = true);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Into(&mut fields));
        let seen = EventSeen {
            target: event.metadata().target(),
            level: *event.metadata().level(),
            message: fields.remove("message").unwrap_or_default(),
            fields,
            scope: scope_of(context.event_scope(event)),
        };
        self.lock().events.push(seen);
    }
}

impl Traced {
    fn change(&self, id: &Id, change: impl FnOnce(&mut SpanSeen)) {
        let id = id.into_u64();
        let mut seen = self.lock();
        // A closed span's number may be another's by now.
        let span = seen.spans.iter_mut().rfind(|span| span.id == id);
        if let Some(span) = span {
            change(span);
        }
    }
}
