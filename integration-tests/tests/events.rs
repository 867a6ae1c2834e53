//! What becomes of a call is told by events, in the span of the call where it has one, and of the task otherwise.

use cede_integration_tests::{
    EventSeen, PATIENCE, Traced, later, on_current_thread, on_worker, under_c, workers,
};
use std::future::Future;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;
use tracing::instrument::WithSubscriber;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;

fn subscribed() -> (Traced, impl Subscriber + Send + Sync) {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    (traced, subscriber)
}

/// The one event of this kind.
fn one(traced: &Traced, message: &str) -> EventSeen {
    let events = traced.of_cede(message);
    assert_eq!(events.len(), 1, "{message}: {events:?}");
    events[0].clone()
}

/// Has the thread wait until there is an event, which nothing brings about but what runs elsewhere.
fn until_told(traced: &Traced, message: &str) {
    let start = Instant::now();
    while traced.of_cede(message).is_empty() {
        assert!(start.elapsed() < PATIENCE, "no event: {message}");
        thread::yield_now();
    }
}

#[test]
fn a_slot_is_retaken() {
    let (traced, subscriber) = subscribed();
    let (go_on, told) = mpsc::channel();
    let shown = traced.clone();
    let calls = async move {
        // On the only worker: it runs when the slot was retaken, and keeps it until the call has found that out.
        let sibling = tokio::spawn(async move {
            go_on.send(()).expect("C waits");
            until_told(&shown, "slot retaken");
        });
        cede::call(move || told.recv())
            .named("blocked")
            .await
            .expect("the sibling runs");
        sibling.await.expect("it was told");
    };
    on_worker(1, calls.with_subscriber(subscriber));
    assert_eq!(one(&traced, "slot retaken").scope, ["blocked"]);
    assert_eq!(traced.call().fields["retaken"], "true");
    assert!(traced.call().number("slot_wait_ns") > 0);
}

#[test]
fn a_slot_is_handed_off() {
    let (traced, subscriber) = subscribed();
    on_worker(
        1,
        async { cede::call(|| ()).named("long").long().await }.with_subscriber(subscriber),
    );
    let told = one(&traced, "slot handed off");
    assert_eq!(told.level, Level::DEBUG);
    assert!(told.fields["call"].starts_with("long ("), "{told:?}");
}

/// C that waits for a callback which is not ready at once.
fn waits() {
    under_c(|| cede::callback(later())).expect("not refused");
}

#[test]
fn a_callback_is_pending_and_its_thread_parks() {
    let (traced, subscriber) = subscribed();
    on_worker(
        1,
        async { cede::call(waits).await }.with_subscriber(subscriber),
    );
    assert_eq!(
        one(&traced, "callback pending").fields["how"],
        "its thread parks"
    );
}

#[test]
fn a_callback_is_pending_and_its_call_suspended() {
    let (traced, subscriber) = subscribed();
    on_current_thread(async { cede::call(waits).suspendable().await }.with_subscriber(subscriber));
    assert_eq!(
        one(&traced, "callback pending").fields["how"],
        "the call is suspended"
    );
}

#[test]
fn a_callback_is_pending_and_the_thread_in_c_waits() {
    let (traced, subscriber) = subscribed();
    on_current_thread(async { cede::offload(waits).await }.with_subscriber(subscriber));
    assert_eq!(
        one(&traced, "callback pending").fields["how"],
        "C's thread waits"
    );
}

async fn panics() {
    panic!("on purpose");
}

#[test]
fn a_callback_is_refused_and_another_panics() {
    let (traced, subscriber) = subscribed();
    let calls = async {
        let call = cede::call(|| {
            let panicked = under_c(|| cede::callback(panics()));
            let refused = under_c(|| cede::callback(async {}));
            (panicked, refused)
        });
        call.named("unlucky").await
    };
    let task = tokio_task(calls.with_subscriber(subscriber));
    assert!(
        task.is_err_and(|error| error.is_panic()),
        "the panic goes on"
    );
    assert!(one(&traced, "callback panicked").fields["call"].starts_with("unlucky"));
    let refused = traced.of_cede("callback refused");
    assert_eq!(
        refused.len(),
        2,
        "the one that panicked, and the one after it"
    );
    assert!(refused.iter().all(|event| event.scope == ["unlucky"]));
    assert!(traced.call().is_closed);
}

/// Has C run until `go_on` is dropped; says when it has begun.
fn until_dropped() -> (
    impl FnOnce() + Send + 'static,
    mpsc::Sender<()>,
    tokio::sync::oneshot::Receiver<()>,
) {
    let (go_on, told) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let c = move || {
        begun.send(()).expect("somebody waits");
        assert!(told.recv().is_err(), "nobody sends anything");
    };
    (c, go_on, has_begun)
}

/// Not in the task's poll, nor with its subscriber.
#[test]
fn a_call_is_abandoned_with_its_task() {
    let (traced, subscriber) = subscribed();
    let (c, go_on, has_begun) = until_dropped();
    let call = async { cede::offload(c).named("slow").await };
    on_current_thread(async {
        let task = tokio::spawn(call.with_subscriber(subscriber));
        has_begun.await.expect("C has begun");
        task.abort();
        assert!(task.await.expect_err("it waits").is_cancelled());
        let event = one(&traced, "offloaded call abandoned");
        assert_eq!(event.scope, ["slow"]);
        drop(go_on);
        until_told(&traced, "abandoned call has returned");
    });
}

#[test]
fn a_call_is_abandoned_that_was_cancelled_before() {
    let (traced, subscriber) = subscribed();
    let (c, go_on, has_begun) = until_dropped();
    let shown = traced.clone();
    let calls = async move {
        let (canceller, mut call) = cede::offload(c).cancellable();
        call.try_start().expect("there is a place");
        has_begun.await.expect("C has begun");
        canceller.cancel();
        assert_eq!(shown.of_cede("offloaded call abandoned").len(), 0);
        drop(call);
        one(&shown, "offloaded call abandoned");
        drop(go_on);
        until_told(&shown, "abandoned call has returned");
    };
    on_current_thread(calls.with_subscriber(subscriber));
    one(&traced, "offloaded call abandoned");
}

/// What a task comes to.
fn tokio_task<F>(task: F) -> Result<F::Output, tokio::task::JoinError>
where
    F: Future<Output: Send> + Send + 'static,
{
    workers(1).block_on(async { tokio::spawn(task).await })
}

#[test]
fn a_call_is_abandoned_and_ends() {
    let (traced, subscriber) = subscribed();
    let shown = traced.clone();
    let (go_on, told) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let calls = async move {
        let call = cede::offload(move || {
            begun.send(()).expect("the task waits");
            told.recv().expect("somebody has it go on");
        });
        tokio::select! {
            biased;
            () = call.named("slow") => unreachable!("it waits"),
            begun = has_begun => begun.expect("C has begun"),
        }
        assert!(one(&shown, "offloaded call abandoned").fields["call"].starts_with("slow"));
        assert!(!shown.call().is_closed, "C runs on");
        go_on.send(()).expect("C waits");
        until_told(&shown, "abandoned call has returned");
    };
    on_current_thread(calls.with_subscriber(subscriber));
    assert_eq!(one(&traced, "abandoned call has returned").scope, ["slow"]);
}
