//! The watchdog's warnings, as a test sees them.

use crate::process::eventually;
use crate::traced::{EventSeen, Traced};
use std::sync::LazyLock;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

/// The limit in the tests: short enough to be waited for, long enough for nothing to take it by chance.
pub const LIMIT: Duration = Duration::from_millis(200);

/// Makes it the process's, for calls of any kind.
///
/// # Panics
///
/// If a call was made already.
pub fn install_limit(limit: Duration) {
    let config = cede::Config::new().slow_after(limit).brief_limit(limit);
    config.install().expect("no call was made yet");
}

/// What was warned of one call, found by its name.
#[derive(Clone, Copy, Debug)]
pub struct Warned(pub &'static str);

static TRACED: LazyLock<Traced> = LazyLock::new(|| {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::INFO);
    tracing::subscriber::set_global_default(subscriber).expect("there is none yet");
    install_limit(LIMIT);
    traced
});

impl Warned {
    /// For the call of this name. The process's subscriber and limits are set by the first; before any call.
    #[must_use]
    pub fn of(name: &'static str) -> Self {
        LazyLock::force(&TRACED);
        Self(name)
    }

    /// The warnings with this message, so far.
    #[must_use]
    pub fn events(self, message: &str) -> Vec<EventSeen> {
        TRACED.events(|event| {
            let is_of_it = event.fields.get("name").is_some_and(|name| name == self.0);
            event.target == "cede" && event.message == message && is_of_it
        })
    }

    /// All of them.
    #[must_use]
    pub fn messages(self) -> Vec<String> {
        let all =
            TRACED.events(|event| event.target == "cede" && event.level == tracing::Level::WARN);
        let of_it = |event: &EventSeen| event.fields.get("name").is_some_and(|name| name == self.0);
        all.into_iter()
            .filter(of_it)
            .map(|event| event.message)
            .collect()
    }

    /// Waits for the first warning with this message.
    ///
    /// # Panics
    ///
    /// If it does not come.
    pub fn await_first(self, message: &str) -> EventSeen {
        assert!(
            eventually(|| !self.events(message).is_empty()),
            "no `{message}` of {}: {:?}",
            self.0,
            self.messages()
        );
        self.events(message).remove(0)
    }
}
