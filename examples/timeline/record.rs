//! What happened, as a tracing layer and tokio's hooks see it: who entered and left what, on which thread, in which slot.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The operating system's number of a thread.
pub(crate) type Tid = i32;

/// One thing that happened.
pub(crate) struct Moment {
    pub(crate) at: Duration,
    pub(crate) thread: Tid,
    /// The worker that tokio takes the thread for. One that has lost its slot to another thread is still taken for it.
    pub(crate) slot: Option<usize>,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// The thread has its slot, and nothing to do or something again.
    Parks,
    Unparks,
    Enters(Id, Scene),
    Exits(Id),
    /// An event of cede's.
    Says(String),
    /// The load does something else from here on.
    Phase(String),
}

/// What a thread is in, as far as it is part of the picture.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Of a call: how it runs.
    pub(crate) mode: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    Call,
    Callback,
}

/// Where everybody writes what happens.
#[derive(Clone)]
pub(crate) struct Recorder {
    start: Instant,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) moments: Vec<Moment>,
    pub(crate) thread_names: BTreeMap<Tid, String>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            seen: Arc::default(),
        }
    }

    pub(crate) fn write(&self, what: What) {
        // SAFETY: takes nothing, and always succeeds.
        let thread = unsafe { libc::gettid() };
        let mut seen = self.seen.lock().expect("nobody panics with it");
        // Read with the lock held, so that moments are in order.
        let at = self.start.elapsed();
        let slot = tokio::runtime::worker_index();
        seen.thread_names.entry(thread).or_insert_with(|| {
            let thread = std::thread::current();
            thread.name().unwrap_or("thread").to_owned()
        });
        seen.moments.push(Moment {
            at,
            thread,
            slot,
            what,
        });
    }

    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().expect("nobody panics with it"))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let kind = match attributes.metadata().name() {
            "task" => Kind::Task,
            "call" => Kind::Call,
            "callback" => Kind::Callback,
            _ => return,
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).expect("it was just made");
        span.extensions_mut().insert(Scene {
            kind,
            name: fields.name,
            mode: fields.mode,
        });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).expect("it is open");
        if let Some(scene) = span.extensions().get::<Scene>() {
            self.write(What::Enters(id.clone(), scene.clone()));
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).expect("it is open");
        if span.extensions().get::<Scene>().is_some() {
            self.write(What::Exits(id.clone()));
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        match event.metadata().target() {
            "cede" => self.write(What::Says(message(event))),
            "phase" => self.write(What::Phase(message(event))),
            _ => {}
        }
    }
}

/// What an event says.
pub(crate) fn message(event: &Event<'_>) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    fields.message
}

/// The fields that are of interest.
#[derive(Default)]
struct Fields {
    name: String,
    mode: String,
    message: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "name" => self.name = value.into(),
            "mode" => self.mode = value.into(),
            "message" => self.message = value.into(),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
