//! A line allocates nothing; and where nobody wants it, it is not even looked at.

use cede::CLog;
use cede_fixtures::callback::call_n;
use cede_integration_tests::{Counting, assert_counting, counted};
use std::ffi::c_int;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts the characters of the events from `INFO` up, but for those of one library, which it does not want.
struct Characters;

static SEEN: AtomicUsize = AtomicUsize::new(0);

impl Subscriber for Characters {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target() != "cede::c::unwanted"
    }
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Counter);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Counter;

impl Visit for Counter {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        write!(self, "{value:?}").unwrap();
    }
}

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        SEEN.fetch_add(text.chars().count(), SeqCst);
        Ok(())
    }
}

/// A text that must not be asked for.
struct Untouched;

impl AsRef<[u8]> for Untouched {
    fn as_ref(&self) -> &[u8] {
        panic!("nobody wants it");
    }
}

/// One test, for the subscribers of a process have one highest level.
#[test]
fn in_turn_without_a_subscriber_below_its_level_and_from_it_up() {
    assert_counting();
    let log = CLog::new("test");
    assert!(!log.at(Level::ERROR).is_enabled());
    log.at(Level::ERROR).text(Untouched);

    tracing::subscriber::set_global_default(Characters).unwrap();
    assert!(!log.at(Level::DEBUG).is_enabled());
    log.at(Level::DEBUG).text(Untouched);
    assert!(log.at(Level::INFO).is_enabled());
    let unwanted = CLog::new("unwanted");
    assert!(!unwanted.at(Level::INFO).is_enabled());
    unwanted.at(Level::INFO).text(Untouched);

    let callback = log.callback(-1, |log: &CLog, n: c_int| {
        log.at(Level::WARN).code(n).text(b"gr\xfcn\n");
        log.at(Level::DEBUG).text(Untouched);
        n
    });
    // SAFETY: the callback is there.
    let lines = || unsafe { call_n(callback.data_first(), callback.data(), 10) };
    assert_eq!(lines(), 45);
    // Four characters, one of them replaced, and a digit.
    assert_eq!(SEEN.load(SeqCst), 10 * 5);
    assert_eq!(counted(lines), (45, 0));
    assert_eq!(SEEN.load(SeqCst), 20 * 5);
}
