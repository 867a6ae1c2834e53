//! A subscriber that panics, or blocks, harms no call: C runs, callbacks run, results arrive.

use cede_integration_tests::{PATIENCE, on_current_thread, on_worker, under_c, workers};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

/// What a subscriber is asked, as far as the crate asks it.
const QUESTIONS: [&str; 6] = ["enabled", "new_span", "record", "event", "enter", "exit"];

/// Does the worst at one question, if it is about the crate.
struct Misbehaves<F> {
    question: &'static str,
    worst: F,
    spans: AtomicU64,
    /// The last one, which is as good as current.
    last: Mutex<Option<(Id, &'static Metadata<'static>)>>,
}

impl<F: Fn()> Misbehaves<F> {
    fn at(question: &'static str, worst: F) -> Self {
        Self {
            question,
            worst,
            spans: AtomicU64::new(1),
            last: Mutex::default(),
        }
    }

    fn asked(&self, question: &str) {
        if question == self.question {
            (self.worst)();
        }
    }
}

impl<F: Fn() + Send + Sync + 'static> Subscriber for Misbehaves<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_meant = metadata.target() == "cede";
        if is_meant {
            self.asked("enabled");
        }
        is_meant
    }

    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.asked("new_span");
        let id = Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed));
        let current = (id.clone(), attributes.metadata());
        *self.last.lock().expect("nobody panics with it") = Some(current);
        id
    }

    fn current_span(&self) -> Current {
        let last = self.last.lock().expect("nobody panics with it");
        last.clone()
            .map_or_else(Current::none, |(id, metadata)| Current::new(id, metadata))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {
        self.asked("record");
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.asked("event");
    }

    fn enter(&self, _: &Id) {
        self.asked("enter");
    }

    fn exit(&self, _: &Id) {
        self.asked("exit");
    }
}

/// C with a callback that waits.
fn c() -> i32 {
    under_c(|| {
        cede::callback(async {
            tokio::task::spawn_blocking(|| 42)
                .await
                .expect("it does not panic")
        })
    })
    .expect("not refused")
}

async fn every_way() {
    assert_eq!(cede::call(c).await, 42);
    assert_eq!(cede::call(c).brief().await, 42);
    assert_eq!(cede::call(c).long().await, 42);
    assert_eq!(cede::call(c).on_thread_stack().await, 42);
    // SAFETY: nothing under C refers to the thread; the future is awaited.
    assert_eq!(unsafe { cede::call(c).migratable() }.await, 42);
    assert_eq!(cede::scope(async { cede::call(c).await }).await, 42);
    assert_eq!(cede::offload(c).await, 42);
    let nested = cede::call(|| under_c(|| cede::callback(async { cede::call(c).await })));
    assert_eq!(nested.await, Ok(42));
}

#[test]
fn one_that_panics() {
    // The messages of some hundred panics are of no use.
    std::panic::set_hook(Box::new(|_| {}));
    for question in QUESTIONS {
        let panics = Arc::new(AtomicUsize::new(0));
        let count = panics.clone();
        let subscriber = Arc::new(Misbehaves::at(question, move || {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose: {question}");
        }));
        on_worker(2, every_way().with_subscriber(subscriber.clone()));
        workers(1).block_on(every_way().with_subscriber(subscriber.clone()));
        on_current_thread(
            async {
                assert_eq!(cede::call(c).suspendable().await, 42);
                assert_eq!(cede::offload(c).await, 42);
            }
            .with_subscriber(subscriber),
        );
        assert!(
            panics.load(Ordering::Relaxed) > 0,
            "never asked: {question}"
        );
    }
}

/// What a thread waits at until it is let through.
#[derive(Default)]
struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    fn wait(&self) {
        let mut state = self.state.lock().expect("nobody panics with it");
        state.0 += 1;
        self.changed.notify_all();
        let opened = self.changed.wait_while(state, |state| !state.1);
        drop(opened.expect("nobody panics with it"));
    }

    fn until_somebody_waits(&self) {
        let state = self.state.lock().expect("nobody panics with it");
        let waited = self
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.0 == 0);
        assert!(
            !waited.expect("nobody panics with it").1.timed_out(),
            "nobody waits"
        );
    }

    fn open(&self) {
        self.state.lock().expect("nobody panics with it").1 = true;
        self.changed.notify_all();
    }
}

#[test]
fn one_that_blocks() {
    for question in ["enter", "exit"] {
        let gate = Arc::new(Gate::default());
        let at_gate = gate.clone();
        let subscriber = Misbehaves::at(question, move || at_gate.wait());
        let runtime = workers(1);
        // On the only worker, which is in C as far as the monitor knows, and loses its slot.
        let blocked = runtime.spawn(async { cede::call(c).await }.with_subscriber(subscriber));
        gate.until_somebody_waits();
        let others = runtime.spawn(every_way());
        runtime.block_on(async {
            let all = tokio::time::timeout(PATIENCE, others).await;
            all.expect("others go on").expect("they are well");
            gate.open();
            assert_eq!(blocked.await.expect("it is well"), 42);
        });
    }
}

#[test]
fn one_that_changes_errno() {
    const OURS: i32 = 77;
    fn errno() -> *mut i32 {
        // SAFETY: takes nothing, and returns this thread's.
        unsafe { libc::__errno_location() }
    }
    for question in ["enter", "exit"] {
        let subscriber = Misbehaves::at(question, || {
            // SAFETY: this thread's.
            unsafe { *errno() = OURS };
        });
        let call = cede::call(|| {
            // SAFETY: this thread's.
            unsafe { *errno() = libc::ENOENT };
            let answer = under_c(|| cede::callback(async { 42 }));
            // SAFETY: this thread's.
            (answer, unsafe { *errno() })
        });
        let answer = on_worker(1, call.with_subscriber(subscriber));
        assert_eq!(answer, (Ok(42), libc::ENOENT));
    }
    // The event that tells of a callback which cannot suspend its call.
    let subscriber = Misbehaves::at("event", || {
        // SAFETY: this thread's.
        unsafe { *errno() = OURS };
    });
    let call = cede::call(|| {
        futures::executor::block_on(cede::scope(async {
            // SAFETY: this thread's.
            unsafe { *errno() = libc::ENOENT };
            let answer = under_c(|| cede::callback(async { 42 }));
            // SAFETY: this thread's.
            (answer, unsafe { *errno() })
        }))
    });
    let answer = on_current_thread(async { call.suspendable().await }.with_subscriber(subscriber));
    assert_eq!(answer, (Ok(42), libc::ENOENT));
}
