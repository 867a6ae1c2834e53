//! The crate's watchdog, held up in what it says.

use cede_fixtures::{Crowd, Gate};
use std::sync::Arc;
use std::thread;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// A layer in which the watchdog's thread waits at each event, until it is let go.
#[derive(Clone, Debug, Default)]
pub struct HoldsWatchdog {
    gate: Arc<Gate>,
    inside: Arc<Crowd>,
}

impl HoldsWatchdog {
    /// Waits until the watchdog is there.
    ///
    /// # Panics
    ///
    /// If it does not come.
    pub fn await_it(&self) {
        assert!(self.inside.await_inside(1, crate::PATIENCE));
    }

    /// Lets it go, for good.
    pub fn let_go(&self) {
        self.gate.open();
    }
}

impl<S: Subscriber> Layer<S> for HoldsWatchdog {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        if thread::current().name() == Some("cede-watchdog") {
            self.inside.wait_at(&self.gate);
        }
    }
}
