//! A call that somebody looks at: its span, and where its time goes.
//!
//! Calls are not looked at unless somebody wants to know, because to look takes about as long as a hundred calls. Whether somebody
//! does is one load, [`is_wanted`].
//!
//! # Rules
//!
//! 1. A subscriber is a stranger's code. What it panics with ends here, wherever it is asked.
//! 2. The span is entered while C runs, by the thread that runs it. A callback is the task's: the span is exited for it, so that
//!    the task's own is the current one, unless code under C has entered another in between.
//! 3. So it is not entered while a stack is set aside; what code under C has entered is seen to by [`SpansAside`](super::SpansAside).
//! 4. Times are taken on C's side, where they pass: of a call that changes threads, by the thread that runs C at the time.
//! 5. Whoever calls a method here under C keeps errno, which a subscriber may change.

use super::event;
use super::kept_span::KeptSpan;
use crate::label::Label;
use crate::panic::{caught, discard};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tracing::field::Empty;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::{Level, Span};

/// Whether anybody may want to look at calls.
#[inline(always)]
pub(crate) fn is_wanted() -> bool {
    is_traced() && Level::DEBUG <= STATIC_MAX_LEVEL && Level::DEBUG <= LevelFilter::current()
}

/// Whether the calls to `tracing` are there. They are, but in a build of the benches that shows what they cost.
const fn is_traced() -> bool {
    !cfg!(feature = "tracing-off")
}

/// A call that is looked at.
pub(crate) struct Seen {
    /// The call's own.
    span: KeptSpan,
    began: Instant,
    /// The moments are nanoseconds since then; zero before they come.
    c_began: AtomicU64,
    c_ended: AtomicU64,
    ended: AtomicU64,
    callback_began: AtomicU64,
    in_callbacks: AtomicU64,
    callbacks: AtomicU64,
    retaken: AtomicBool,
}

impl Seen {
    /// [`begin`](Self::begin), if [`is_wanted`].
    pub(crate) fn begin_if_wanted(label: &Label, lane: Option<&str>) -> Option<Self> {
        is_wanted().then(|| Self::begin(label, lane)).flatten()
    }

    /// Begins to look at a call that is about to be run, or to stand in line. `None` if nobody wants to know.
    #[cold]
    pub(crate) fn begin(label: &Label, lane: Option<&str>) -> Option<Self> {
        let span = caught(|| {
            tracing::debug_span!(
                target: "cede",
                "call",
                name = label.name,
                mode = label.manner.name(),
                lane,
                location = %label.location,
                in_c_ns = Empty,
                in_callbacks_ns = Empty,
                slot_wait_ns = Empty,
                queued_ns = Empty,
                callbacks = Empty,
                retaken = Empty,
            )
        });
        let span = span.map_err(discard).ok()?;
        (!span.is_disabled()).then(|| Self {
            span: KeptSpan::new(span),
            began: Instant::now(),
            c_began: AtomicU64::new(0),
            c_ended: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            callback_began: AtomicU64::new(0),
            in_callbacks: AtomicU64::new(0),
            callbacks: AtomicU64::new(0),
            retaken: AtomicBool::new(false),
        })
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).map_or(u64::MAX, |now| now.max(1))
    }

    /// C begins.
    #[inline(never)]
    pub(crate) fn begin_c(&self) {
        self.enter();
        self.c_began.store(self.now(), Ordering::Relaxed);
    }

    /// C has returned, perhaps on another thread.
    #[inline(never)]
    pub(crate) fn end_c(&self) {
        self.c_ended.store(self.now(), Ordering::Relaxed);
        self.exit();
    }

    pub(crate) fn has_left_c(&self) -> bool {
        self.c_ended.load(Ordering::Relaxed) != 0
    }

    /// C waits for a callback. Whether the span was exited for it.
    #[inline(never)]
    pub(crate) fn begin_callback(&self) -> bool {
        self.callback_began.store(self.now(), Ordering::Relaxed);
        // Asked of the span's own subscriber, which need not be the thread's by now.
        let is_current = self.span.with_subscriber(|(id, subscriber)| {
            caught(|| subscriber.current_span().id() == Some(id)).unwrap_or_else(|payload| {
                discard(payload);
                false
            })
        });
        let is_current = is_current.unwrap_or(false);
        if is_current {
            self.exit();
        }
        is_current
    }

    /// C goes on, perhaps on another thread.
    #[inline(never)]
    pub(crate) fn end_callback(&self, was_exited: bool) {
        if was_exited {
            self.enter();
        }
        let took = self.now().saturating_sub(get(&self.callback_began));
        self.in_callbacks.fetch_add(took, Ordering::Relaxed);
        self.callbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// C has come back, and the monitor has taken its slot.
    pub(crate) fn is_retaken(&self, label: &Label) {
        self.retaken.store(true, Ordering::Relaxed);
        let _entered = enter(&self.span);
        event::slot_was_retaken(label);
    }

    /// The task has what C returned.
    pub(crate) fn end(&self) {
        self.ended.store(self.now(), Ordering::Relaxed);
    }

    fn enter(&self) {
        std::mem::forget(enter(&self.span));
    }

    fn exit(&self) {
        exit(&self.span);
    }

    fn record(&self) {
        let (c_began, c_ended) = (get(&self.c_began), get(&self.c_ended));
        let in_callbacks = get(&self.in_callbacks);
        let queued = if c_began == 0 { self.now() } else { c_began };
        let span = self.span();
        span.record("queued_ns", queued);
        span.record("callbacks", get(&self.callbacks));
        span.record("in_callbacks_ns", in_callbacks);
        if c_ended != 0 {
            span.record("in_c_ns", (c_ended - c_began).saturating_sub(in_callbacks));
            span.record("slot_wait_ns", get(&self.ended).saturating_sub(c_ended));
        }
        span.record("retaken", self.retaken.load(Ordering::Relaxed));
    }
}

fn get(moment: &AtomicU64) -> u64 {
    moment.load(Ordering::Relaxed)
}

impl Drop for Seen {
    fn drop(&mut self) {
        caught(|| self.record()).unwrap_or_else(discard);
    }
}

/// Makes a span the current one until the guard drops, on the same thread.
pub(crate) fn enter(span: &Span) -> Entered<'_> {
    span.with_subscriber(|(id, subscriber)| {
        caught(|| subscriber.enter(id)).unwrap_or_else(discard);
    });
    Entered(span)
}

/// Ends what [`enter`] has begun, where its guard was forgotten.
pub(crate) fn exit(span: &Span) {
    span.with_subscriber(|(id, subscriber)| {
        caught(|| subscriber.exit(id)).unwrap_or_else(discard);
    });
}

/// A span is the current one until this is dropped.
#[must_use]
pub(crate) struct Entered<'a>(&'a Span);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        exit(self.0);
    }
}
