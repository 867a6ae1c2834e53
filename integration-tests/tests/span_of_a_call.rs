//! A call has a span of its own, under the span of the task, in every mode: C's events are in it, a callback is in the task's,
//! and where the time went is told at its end.

use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::{
    EventSeen, PATIENCE, SpanSeen, Traced, later, on_current_thread, on_worker, under_c, workers,
};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake};
use std::thread;
use std::time::{Duration, Instant};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, info, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// What C does in all of these: it logs, awaits a callback, and logs.
fn c() {
    info!(target: "the test", "before");
    let answer = under_c(|| {
        cede::callback(async {
            info!(target: "the test", "callback");
            later().await;
            info!(target: "the test", "callback, later");
        })
    });
    assert_eq!(answer, Ok(()));
    info!(target: "the test", "after");
}

/// Runs the future in a span, with a subscriber that is not the process's, and checks what every call comes to.
fn traced<F>(
    run: impl FnOnce(tracing::instrument::WithDispatch<tracing::instrument::Instrumented<F>>),
    calls: F,
    mode: &str,
) -> SpanSeen
where
    F: Future<Output = ()>,
{
    let traced = Traced::default();
    let subscriber = tracing::Dispatch::new(traced.subscriber(LevelFilter::DEBUG));
    let task = tracing::dispatcher::with_default(&subscriber, || info_span!("task"));
    run(calls.instrument(task).with_subscriber(subscriber));
    let call = traced.call();
    let told = |event: EventSeen| (event.message, event.scope.join(" in "));
    let told: Vec<_> = traced
        .events(|event| event.target == "the test")
        .into_iter()
        .map(told)
        .collect();
    let expected = [
        ("before", "the call in task"),
        ("callback", "task"),
        ("callback, later", "task"),
        ("after", "the call in task"),
    ];
    assert_eq!(
        told,
        expected.map(|(what, r#where)| (what.into(), r#where.into()))
    );
    assert_eq!(call.fields["name"], "the call");
    assert_eq!(call.fields["mode"], mode);
    assert!(
        call.fields["location"].contains("span_of_a_call.rs:"),
        "{call:?}"
    );
    assert_eq!(call.parents, ["task"]);
    assert_eq!(call.number("callbacks"), 1);
    assert!(
        call.number("in_c_ns") > 0 && call.number("in_callbacks_ns") > 0,
        "{call:?}"
    );
    assert!(call.fields.contains_key("slot_wait_ns") && call.fields.contains_key("queued_ns"));
    assert!(
        call.entered >= 2,
        "around C, and again after the callback: {call:?}"
    );
    assert_eq!(call.entered, call.exited, "{call:?}");
    assert!(call.is_closed, "{call:?}");
    call
}

#[test]
fn in_place() {
    let calls = async { cede::call(c).named("the call").await };
    traced(|task| on_worker(1, task), calls, "in_place");
}

#[test]
fn in_place_without_a_slot() {
    let calls = async { cede::call(c).named("the call").await };
    let call = traced(|task| workers(1).block_on(task), calls, "in_place");
    assert_eq!(call.fields["retaken"], "false");
}

#[test]
fn in_a_scope() {
    let calls = cede::scope(async { cede::call(c).named("the call").await });
    traced(|task| on_worker(1, task), calls, "in_place");
}

#[test]
fn brief() {
    let calls = async { cede::call(c).named("the call").brief().await };
    traced(|task| on_worker(1, task), calls, "brief");
}

#[test]
fn long() {
    let calls = async { cede::call(c).named("the call").long().await };
    traced(|task| on_worker(1, task), calls, "long");
}

#[test]
fn on_the_threads_stack() {
    let calls = async { cede::call(c).named("the call").on_thread_stack().await };
    traced(|task| on_worker(1, task), calls, "thread_stack");
}

#[test]
fn suspendable() {
    let calls = async { cede::call(c).named("the call").suspendable().await };
    traced(on_current_thread, calls, "suspendable");
}

#[test]
fn migratable() {
    // SAFETY: nothing under C refers to the thread while it waits; the future is awaited.
    let calls = async { unsafe { cede::call(c).named("the call").migratable() }.await };
    traced(|task| on_worker(2, task), calls, "migratable");
}

#[test]
fn offloaded() {
    let calls = async { cede::offload(c).named("the call").await };
    traced(|task| on_worker(1, task), calls, "offloaded");
}

#[test]
fn on_a_lane() {
    let lane = cede::Lane::new("renderer").expect("a thread");
    let calls = async { cede::offload(c).named("the call").on_lane(&lane).await };
    let call = traced(|task| workers(1).block_on(task), calls, "lane");
    assert_eq!(call.fields["lane"], "renderer");
}

#[test]
fn a_call_in_a_callback_is_in_the_task_too() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    let calls = async {
        let inner = async {
            cede::call(|| info!(target: "the test", "inner"))
                .named("inner")
                .await
        };
        let outer = cede::call(|| under_c(|| cede::callback(inner))).named("outer");
        outer.await.expect("not refused");
    };
    on_worker(1, calls.with_subscriber(subscriber));
    let events = traced.events(|event| event.target == "the test");
    assert_eq!(
        events[0].scope,
        ["inner"],
        "a callback is the task's, not the call's"
    );
    assert!(
        traced
            .calls()
            .iter()
            .all(|call| call.entered == call.exited && call.is_closed)
    );
}

#[test]
fn what_code_under_c_has_entered_is_the_callbacks_parent() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    let calls = cede::call(|| {
        let _row = info_span!("row").entered();
        under_c(|| cede::callback(async { info!(target: "the test", "callback") })).unwrap();
        info!(target: "the test", "after");
    });
    on_worker(
        1,
        async { calls.named("the call").await }.with_subscriber(subscriber),
    );
    for event in traced.events(|event| event.target == "the test") {
        assert_eq!(event.scope, ["row", "the call"]);
    }
}

#[test]
fn no_span_above_debug() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::INFO);
    let calls = async {
        cede::call(c).await;
        cede::offload(c).await;
    };
    let task = tracing::subscriber::with_default(subscriber, || {
        let current = tracing::dispatcher::get_default(Clone::clone);
        calls
            .instrument(info_span!("task"))
            .with_subscriber(current)
    });
    on_worker(1, task);
    let events = traced.events(|event| event.target == "the test");
    assert_eq!(events.len(), 8);
    assert!(
        events.iter().all(|event| event.scope == ["task"]),
        "{events:?}"
    );
    assert_eq!(traced.calls().len(), 0);
}

/// A layer looks for what is entered on C's own thread, not for the parents of a span that it leaves out.
#[test]
fn a_layer_that_leaves_calls_out_finds_the_tasks_span() {
    let (all, some) = (Traced::default(), Traced::default());
    let subscriber = some.subscriber(LevelFilter::INFO).with(all.clone());
    let subscriber = tracing::Dispatch::new(subscriber);
    let task = tracing::dispatcher::with_default(&subscriber, || info_span!("task"));
    let calls = async { cede::offload(c).named("the call").await };
    on_worker(1, calls.instrument(task).with_subscriber(subscriber));
    assert_eq!(all.call().fields["mode"], "offloaded");
    let events = some.events(|event| event.target == "the test");
    assert_eq!(events.len(), 4);
    assert!(
        events.iter().all(|event| event.scope == ["task"]),
        "{events:?}"
    );
}

/// How long each of these was at least, and all together at most.
fn check_times(call: &SpanSeen, least: [(&str, Duration); 3], in_all: Duration) {
    let of = |field: &str| Duration::from_nanos(call.number(field));
    for (field, least) in least {
        assert!(of(field) >= least, "{field}, {least:?}: {call:?}");
    }
    let fields = ["queued_ns", "in_c_ns", "in_callbacks_ns", "slot_wait_ns"];
    let told: Duration = fields.into_iter().map(of).sum();
    assert!(told <= in_all, "{told:?} of {in_all:?}: {call:?}");
}

/// Long beside what a call takes by itself.
const WHILE: Duration = Duration::from_millis(10);

/// C that takes its time, with two callbacks that do.
fn takes_its_time() {
    for _ in 0..2 {
        thread::sleep(WHILE);
        under_c(|| cede::callback(async { tokio::time::sleep(WHILE).await })).expect("not refused");
    }
}

#[test]
fn no_time_is_told_twice() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    let calls = async {
        let began = Instant::now();
        cede::call(takes_its_time).await;
        began.elapsed()
    };
    let in_all = on_worker(1, calls.with_subscriber(subscriber));
    let call = traced.call();
    let least = [
        ("queued_ns", Duration::ZERO),
        ("in_c_ns", 2 * WHILE),
        ("in_callbacks_ns", 2 * WHILE),
    ];
    check_times(&call, least, in_all);
    assert_eq!(call.number("callbacks"), 2);
}

#[test]
fn time_in_line_is_told() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    let calls = async {
        let lane = cede::Lane::new("busy").expect("a thread");
        let (go_on, told) = std::sync::mpsc::channel::<()>();
        let mut first = cede::offload(move || told.recv()).on_lane(&lane);
        first.try_start().expect("there is a place");
        let began = Instant::now();
        let mut second = cede::offload(takes_its_time).on_lane(&lane).named("second");
        second.try_start().expect("there is a place");
        let queued = Instant::now();
        tokio::time::sleep(WHILE).await;
        let queued = queued.elapsed();
        drop(go_on);
        assert!(first.await.is_err(), "told by nobody");
        second.await;
        (queued, began.elapsed())
    };
    let (queued, in_all) = on_worker(1, calls.with_subscriber(subscriber));
    let calls = traced.calls();
    let second = calls
        .iter()
        .find(|call| call.fields.get("name").is_some_and(|name| name == "second"));
    let least = [
        ("queued_ns", queued),
        ("in_c_ns", 2 * WHILE),
        ("in_callbacks_ns", 2 * WHILE),
    ];
    check_times(second.expect("it was made"), least, in_all);
}

/// Holds who wakes, until the gate is open.
struct HoldsWho {
    woken: Crowd,
    gate: Gate,
}

impl Wake for HoldsWho {
    fn wake(self: Arc<Self>) {
        self.woken.wait_at(&self.gate);
    }
}

/// C's thread has nothing to do with it any more.
#[test]
fn a_call_that_was_awaited_has_ended() {
    let traced = Traced::default();
    let runtime = workers(1);
    let _inside = runtime.enter();
    let holds = Arc::new(HoldsWho {
        woken: Crowd::new(),
        gate: Gate::new(),
    });
    tracing::subscriber::with_default(traced.subscriber(LevelFilter::DEBUG), || {
        let waker = holds.clone().into();
        let cx = &mut Context::from_waker(&waker);
        let (go_on, told) = std::sync::mpsc::channel::<()>();
        let mut call = pin!(cede::offload(move || assert!(told.recv().is_err())));
        assert!(call.as_mut().poll(cx).is_pending());
        drop(go_on);
        assert!(holds.woken.await_inside(1, PATIENCE));
        assert!(call.as_mut().poll(cx).is_ready());
        let is_closed = traced.call().is_closed;
        holds.gate.open();
        assert!(is_closed);
    });
}

#[test]
fn one_that_finds_no_place_at_first_has_one_span() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    let lane = cede::Lane::builder("narrow")
        .queue(0)
        .start()
        .expect("a thread");
    let (go_on, told) = std::sync::mpsc::channel::<()>();
    let calls = async move {
        let mut first = cede::offload(move || told.recv())
            .named("first")
            .on_lane(&lane);
        first.try_start().expect("there is a place");
        let mut second = cede::offload(|| ()).named("second").on_lane(&lane);
        for _ in 0..3 {
            assert!(second.try_start().is_err(), "the lane is full");
        }
        drop(go_on);
        assert!(first.await.is_err(), "told by nobody");
        second.await;
    };
    on_worker(1, calls.with_subscriber(subscriber));
    let names = traced
        .calls()
        .into_iter()
        .map(|call| call.fields["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["first", "second"]);
}
