//! The callsites of a library's lines: one a level, made when the library is first named, and kept for good.

use super::text::Text;
use crate::sync::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};
use tracing::field::{Value, display};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Level, Metadata, span};
use tracing_core::callsite::{self, Callsite, Identifier};
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;

pub(super) struct Library {
    name: &'static str,
    /// From `ERROR` to `TRACE`.
    sites: [&'static Site; 5],
}

impl Library {
    /// The one of this name.
    pub(super) fn named(name: &'static str) -> &'static Self {
        static LIBRARIES: Mutex<BTreeMap<&str, &Library>> = Mutex::new(BTreeMap::new());
        let mut is_new = false;
        let library = *lock(&LIBRARIES).entry(name).or_insert_with(|| {
            is_new = true;
            Box::leak(Box::new(Self::new(name)))
        });
        // Not under the lock: subscribers are asked, who may have a log of their own to make. Until they have answered they are asked
        // line by line.
        if is_new {
            library
                .sites
                .iter()
                .for_each(|&site| callsite::register(site));
        }
        library
    }

    fn new(name: &'static str) -> Self {
        let target = String::leak(format!("cede::c::{name}"));
        let levels = [
            Level::ERROR,
            Level::WARN,
            Level::INFO,
            Level::DEBUG,
            Level::TRACE,
        ];
        Self {
            name,
            sites: levels.map(|level| Site::new(target, level)),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    #[inline]
    pub(super) fn site(&self, level: Level) -> &'static Site {
        self.sites[match level {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        }]
    }
}

/// One level of one library.
pub(super) struct Site {
    /// Set once it is known where the site lies, which it refers to.
    metadata: OnceLock<Metadata<'static>>,
    level: Level,
    /// What the subscribers there are want of it, as one of these: [`NEVER`], [`SOMETIMES`], [`ALWAYS`].
    interest: AtomicU8,
}

const NEVER: u8 = 0;
const SOMETIMES: u8 = 1;
const ALWAYS: u8 = 2;

impl Site {
    fn new(target: &'static str, level: Level) -> &'static Self {
        let site: &'static Self = Box::leak(Box::new(Self {
            metadata: OnceLock::new(),
            level,
            interest: AtomicU8::new(SOMETIMES),
        }));
        let fields = FieldSet::new(&["message", "code"], Identifier(site));
        let metadata = Metadata::new(
            "a line of C's",
            target,
            level,
            None,
            None,
            None,
            fields,
            Kind::EVENT,
        );
        assert!(
            site.metadata.set(metadata).is_ok(),
            "nobody else has it yet"
        );
        site
    }

    pub(super) fn level(&self) -> &Level {
        &self.level
    }

    /// Whether some subscriber may want it.
    #[inline]
    pub(super) fn is_enabled(&self) -> bool {
        self.level <= STATIC_MAX_LEVEL
            && self.level <= LevelFilter::current()
            && self.interest.load(Ordering::Relaxed) != NEVER
    }

    /// Passes a line to a subscriber, if that wants it: in the span `parent`, or in its current one.
    pub(super) fn send(
        &'static self,
        to: &Dispatch,
        parent: Option<span::Id>,
        code: Option<i64>,
        text: Text<'_>,
    ) {
        let metadata = self.metadata();
        if self.interest.load(Ordering::Relaxed) != ALWAYS && !to.enabled(metadata) {
            return;
        }
        let fields = metadata.fields();
        let [message_field, code_field] =
            ["message", "code"].map(|name| fields.field(name).expect("one of the two"));
        let text = display(text);
        let code = code.as_ref().map(|code| code as &dyn Value);
        let values = [
            (&message_field, Some(&text as &dyn Value)),
            (&code_field, code),
        ];
        let values = fields.value_set(&values);
        to.event(&match parent {
            None => Event::new(metadata, &values),
            parent => Event::new_child_of(parent, metadata, &values),
        });
    }
}

impl Callsite for Site {
    fn set_interest(&self, interest: Interest) {
        let interest = if interest.is_never() {
            NEVER
        } else if interest.is_always() {
            ALWAYS
        } else {
            SOMETIMES
        };
        self.interest.store(interest, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata
            .get()
            .expect("set before anybody has the site")
    }
}
