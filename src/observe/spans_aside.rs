//! The spans that code under C has entered, and not left, when its stack is set aside.
//!
//! tracing keeps a thread's entered spans in one stack, as if code on a thread always nested. A C stack that is set aside takes its
//! frames with it, and with them the guards of spans: left entered, they would be the parents of whatever the thread does next.
//! So they are exited, and entered again when the stack is resumed, by then perhaps on another thread. What measures how long a
//! span is busy sees it idle in between, which it is.

use crate::panic::{caught, discard};
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::Id;

/// How many spans are exited at most: a subscriber may say that one is current whatever we do.
const MOST: usize = 64;

/// The span that is current where C is entered, to tell those that are entered under C. One of those that is the same span once more
/// is not told from it, and stays entered.
pub(crate) struct Base(Option<Id>);

impl Base {
    /// `None` if nobody listens.
    pub(crate) fn here() -> Option<Self> {
        if LevelFilter::current() == LevelFilter::OFF {
            return None;
        }
        Some(Self(dispatcher::get_default(current)))
    }

    /// Exits what was entered since.
    pub(crate) fn set_aside(self) -> Option<Box<SpansAside>> {
        let spans = dispatcher::get_default(|subscriber| {
            let mut ids = Vec::new();
            while let Some(id) = current(subscriber) {
                if Some(&id) == self.0.as_ref() || ids.len() == MOST {
                    break;
                }
                caught(|| subscriber.exit(&id)).unwrap_or_else(discard);
                ids.push(id);
            }
            (!ids.is_empty()).then(|| SpansAside {
                ids,
                subscriber: subscriber.clone(),
            })
        });
        spans.map(Box::new)
    }
}

fn current(subscriber: &Dispatch) -> Option<Id> {
    let current = caught(|| subscriber.current_span().id().cloned());
    current.unwrap_or_else(|payload| {
        discard(payload);
        None
    })
}

/// Spans that have been exited, innermost first. Their guards are on the C stack, and so they are not closed.
pub(crate) struct SpansAside {
    ids: Vec<Id>,
    subscriber: Dispatch,
}

impl SpansAside {
    /// Enters them again.
    pub(crate) fn enter(&self) {
        for id in self.ids.iter().rev() {
            caught(|| self.subscriber.enter(id)).unwrap_or_else(discard);
        }
    }

    fn exit(&self) {
        for id in &self.ids {
            caught(|| self.subscriber.exit(id)).unwrap_or_else(discard);
        }
    }

    /// Runs `f` within them.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        self.enter();
        let result = f();
        self.exit();
        result
    }
}
