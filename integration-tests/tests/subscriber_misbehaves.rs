//! A subscriber that panics, or blocks, harms no call: C runs, callbacks run, results arrive.

use cede::{CLog, Refused, Registered};
use cede_fixtures::foreign;
use cede_integration_tests::{PATIENCE, on_current_thread, on_worker, polled, under_c, workers};
use std::cell::Cell;
use std::ffi::c_int;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, mpsc};
use tokio::sync::oneshot;
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_core::span::Current;

thread_local! {
    /// Whether the test itself, not the crate, is what asks.
    static IS_SPARED: Cell<bool> = const { Cell::new(false) };
}

fn spared<T>(f: impl FnOnce() -> T) -> T {
    IS_SPARED.set(true);
    let result = f();
    IS_SPARED.set(false);
    result
}

/// What a subscriber is asked, as far as the crate asks it.
const QUESTIONS: [&str; 10] = [
    "enabled",
    "new_span",
    "record",
    "event_enabled",
    "event",
    "enter",
    "exit",
    "current_span",
    "clone_span",
    "try_close",
];

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
        if question == self.question && !IS_SPARED.get() {
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
        self.asked("current_span");
        let last = self.last.lock().expect("nobody panics with it");
        last.clone()
            .map_or_else(Current::none, |(id, metadata)| Current::new(id, metadata))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {
        self.asked("record");
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event_enabled(&self, _: &Event<'_>) -> bool {
        self.asked("event_enabled");
        true
    }

    fn event(&self, _: &Event<'_>) {
        self.asked("event");
    }

    fn enter(&self, _: &Id) {
        self.asked("enter");
    }

    fn exit(&self, _: &Id) {
        self.asked("exit");
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.asked("clone_span");
        id.clone()
    }

    fn try_close(&self, _: Id) -> bool {
        self.asked("try_close");
        true
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

/// C in a span of its own, which is set aside with C's stack.
fn c_in_a_span() -> i32 {
    let row = spared(|| tracing::error_span!(target: "cede", "row").entered());
    let answer = under_c(|| {
        cede::callback(async {
            // Not ready at once, on any day.
            tokio::task::yield_now().await;
            42
        })
    });
    spared(|| drop(row));
    answer.expect("not refused")
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

/// The messages of some hundred panics are of no use.
fn without_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let owned = info.payload().downcast_ref::<String>();
            let message = owned.map(String::as_str);
            let message = message.or(info.payload().downcast_ref::<&str>().copied());
            if !message.is_some_and(|message| message.starts_with("on purpose")) {
                print(info);
            }
        }));
    });
}

/// One that panics at a question, and how often it has.
fn panics_at(question: &'static str) -> (Arc<impl Subscriber + Send + Sync>, Arc<AtomicUsize>) {
    let panics = Arc::new(AtomicUsize::new(0));
    let count = panics.clone();
    let subscriber = Misbehaves::at(question, move || {
        count.fetch_add(1, Ordering::Relaxed);
        panic!("on purpose: {question}");
    });
    (Arc::new(subscriber), panics)
}

#[test]
fn one_that_panics() {
    without_messages();
    for question in QUESTIONS {
        let (subscriber, panics) = panics_at(question);
        on_worker(2, every_way().with_subscriber(subscriber.clone()));
        workers(1).block_on(every_way().with_subscriber(subscriber.clone()));
        on_current_thread(
            async {
                assert_eq!(cede::call(c).suspendable().await, 42);
                assert_eq!(cede::call(c_in_a_span).suspendable().await, 42);
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

/// What is dropped then: a call that is suspended, one that C runs on from, and the task itself.
#[test]
fn one_that_panics_while_the_task_does() {
    without_messages();
    for question in QUESTIONS {
        let (subscriber, _) = panics_at(question);
        let (begun, has_begun) = oneshot::channel();
        let (go_on, told) = mpsc::channel::<()>();
        let calls = async move {
            // SAFETY: nothing under C refers to the thread; the future is not forgotten.
            let mut suspended = Box::pin(unsafe { cede::call(waits_for_ever).migratable() });
            assert!(polled(suspended.as_mut()).await.is_pending());
            let mut offloaded = Box::pin(cede::offload(move || {
                begun.send(()).expect("the task waits");
                assert!(told.recv().is_err(), "nobody sends anything");
            }));
            assert!(polled(offloaded.as_mut()).await.is_pending());
            has_begun.await.expect("C has begun");
            panic!("on purpose, by the task");
        };
        let task = async { tokio::spawn(calls.with_subscriber(subscriber)).await };
        let error = workers(1).block_on(async {
            let error = task.await.expect_err("it panics");
            drop(go_on);
            error
        });
        let payload = error.into_panic();
        let message = payload.downcast_ref::<&str>();
        assert_eq!(message, Some(&"on purpose, by the task"), "{question}");
    }
}

fn waits_for_ever() -> bool {
    under_c(|| cede::callback(std::future::pending::<()>())).is_err()
}

/// One that is current from here on, as far as the subscriber can tell.
fn enter_a_span() {
    let span = || drop(tracing::error_span!(target: "cede", "the last one"));
    drop(std::panic::catch_unwind(span));
}

/// A registration has a span, and its callbacks from threads of C's own are in it.
#[test]
fn one_that_panics_where_a_registration_is_called() {
    without_messages();
    let runtime = workers(1);
    for question in QUESTIONS {
        let (subscriber, _) = panics_at(question);
        tracing::subscriber::with_default(subscriber, || {
            enter_a_span();
            let _inside = runtime.enter();
            let registered: Registered<fn(c_int) -> c_int> =
                Registered::new(-1, |n: c_int| async move {
                    tokio::task::yield_now().await;
                    n + 1
                });
            // SAFETY: the function may be called on any thread, with this data.
            let sum = unsafe { foreign::run(registered.data_first(), registered.data(), 1, 3) };
            assert_eq!(sum, 1 + 2 + 3, "{question}");
        });
    }
}

/// C frees a log's callback, and the log its span.
#[test]
fn one_that_panics_when_a_log_goes() {
    without_messages();
    for question in ["clone_span", "try_close"] {
        let (subscriber, panics) = panics_at(question);
        let call = async {
            enter_a_span();
            cede::call(|| {
                // With a span, whatever it is that panics.
                let log = spared(|| CLog::new("test")).clone();
                let freed = log.callback((), |_: &CLog, _: c_int| ()).give(|given| {
                    // SAFETY: what C does when it is through with the callback.
                    unsafe { given.destructor()(given.data()) };
                    Ok::<_, ()>(())
                });
                freed.is_ok()
            })
            .await
        };
        assert!(on_worker(1, call.with_subscriber(subscriber)));
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
    let in_events = || {
        Misbehaves::at("event", || {
            // SAFETY: this thread's.
            unsafe { *errno() = OURS };
        })
    };
    // Those that tell of a refusal: of a call whose callback has panicked, and outside of any.
    without_messages();
    let number = cede::Callback::new(-1, async |n: c_int| n);
    let refused = move || {
        // SAFETY: this thread's.
        unsafe { *errno() = libc::ENOENT };
        let answer = under_c(|| cede::callback(async { 42 }));
        // SAFETY: the callback is there.
        let typed = unsafe { (number.data_first())(number.data(), 7) };
        // SAFETY: this thread's.
        assert_eq!((typed, unsafe { *errno() }), (-1, libc::ENOENT));
        answer
    };
    tracing::subscriber::with_default(in_events(), || {
        assert_eq!(refused(), Err(Refused::NoCall));
    });
    let call = cede::call(move || {
        let panicked = under_c(|| cede::callback(async { panic!("on purpose") }));
        assert_eq!(panicked, Err::<(), _>(Refused::Panicked));
        assert_eq!(refused(), Err(Refused::Panicked));
    });
    let call = AssertUnwindSafe(call.with_subscriber(in_events()));
    let outcome = workers(1).block_on(futures::FutureExt::catch_unwind(call));
    let payload = outcome.expect_err("raised when C has returned");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
    // The event that tells of a callback which cannot suspend its call.
    let subscriber = in_events();
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
