//! What only a mistake in the program can bring about is told.

use super::once;
use cede::{Callback, Refused};
use cede_fixtures::arity::bare_1;
use std::ffi::{c_int, c_long};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Levels of this crate's events, with what they say.
type Events = Arc<Mutex<Vec<(Level, String)>>>;

struct Listener(Events);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}: {value:?}; ");
            }
        }
        if event.metadata().target() == "cede" {
            let mut text = Text(String::new());
            event.record(&mut text);
            let level = *event.metadata().level();
            self.0.lock().unwrap().push((level, text.0));
        }
    }
}

/// The events of this thread while `f` runs.
fn events(f: impl FnOnce()) -> Vec<(Level, String)> {
    let events = Events::default();
    let subscriber = tracing_subscriber::registry().with(Listener(events.clone()));
    tracing::subscriber::with_default(subscriber, f);
    std::mem::take(&mut events.lock().unwrap())
}

/// The one event there is, which is to have this level and say why.
fn is_one(events: Vec<(Level, String)>, level: Level, why: &str) {
    let [(its_level, text)] = &events[..] else {
        panic!("{events:#?}");
    };
    assert_eq!(*its_level, level);
    assert!(text.contains(why), "{text:?} does not say {why:?}");
}

#[test]
fn an_exclusive_closure_is_entered_again() {
    let itself = Mutex::new(None);
    let callback = Callback::leaf(-1, |n: c_int| {
        let (function, data): (super::Function, cede::SendPtr<_>) =
            itself.lock().unwrap().take().unwrap();
        n + once(function, data.get(), 1)
    });
    *itself.lock().unwrap() = Some((callback.data_first(), callback.data().into()));
    let events = events(|| assert_eq!(once(callback.data_first(), callback.data(), 5), 4));
    is_one(events, Level::WARN, &Refused::Reentered.to_string());
}

#[test]
fn a_bare_callback_is_called_where_it_is_not_lent() {
    let callback = Callback::leaf(-1, |n: c_int| c_long::from(n));
    let late = callback.bare(|function| function);
    // SAFETY: the closure takes any number.
    let events = events(|| assert_eq!(unsafe { bare_1(late) }, -1));
    is_one(events, Level::WARN, &Refused::NotLent.to_string());
}

#[test]
fn two_bare_callbacks_of_one_type() {
    let callbacks = [1, 2].map(|more| Callback::leaf(-1, move |n: c_int| n + more));
    let [first, second] = &callbacks;
    let both = || first.bare(|_| second.bare(|_| ()));
    let events = events(|| assert!(catch_unwind(AssertUnwindSafe(both)).is_err()));
    is_one(events, Level::ERROR, "one type");
}

/// With the refusal that it is for C.
#[test]
fn a_leaf_panics_outside_of_a_call() {
    let callback = Callback::leaf(-1, |_: c_int| -> c_int { panic!("in a leaf") });
    let mut events = events(|| assert_eq!(once(callback.data_first(), callback.data(), 5), -1));
    assert_eq!(events.pop().unwrap().0, Level::DEBUG);
    is_one(events, Level::ERROR, "panicked outside");
}
