//! No span stays entered across a C stack that is set aside: neither the call's nor what code under C has entered. Both are entered
//! again when C goes on, on whatever thread that is.

use cede_integration_tests::{Traced, on_current_thread, on_worker, polled, under_c};
use std::future::Future;
use std::pin::pin;
use tokio::sync::oneshot;
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Span, info, info_span};
use tracing_subscriber::filter::LevelFilter;

/// Both ends of what C waits for.
struct Wait {
    name: &'static str,
    waits: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

/// C that enters a span, and waits within it.
fn c(Wait { name, waits, go_on }: Wait) {
    let _row = info_span!("row", name).entered();
    let waited = under_c(|| {
        cede::callback(async {
            info!(target: "the test", name, "waits");
            waits.send(()).expect("somebody looks");
            go_on.await.expect("somebody has it go on");
            info!(target: "the test", name, "has waited");
        })
    });
    assert_eq!(waited, Ok(()));
    info!(target: "the test", name, "goes on");
}

/// Two calls that are suspended one after the other, and go on in the same order: their spans cross.
async fn crossed<T: Future>(spawn: impl Fn(Wait) -> T) {
    let mut tasks = Vec::new();
    for name in ["first", "second"] {
        let (waits, waiting) = oneshot::channel();
        let (told, go_on) = oneshot::channel();
        let wait = Wait { name, waits, go_on };
        tasks.push((told, spawn(wait)));
        waiting.await.expect("it waits");
        tokio::task::yield_now().await;
        assert!(Span::current().is_none(), "entered: {:?}", Span::current());
    }
    for (told, task) in tasks {
        told.send(()).expect("it waits");
        task.await;
        assert!(Span::current().is_none(), "entered: {:?}", Span::current());
    }
}

fn check(traced: &Traced) {
    let events = traced.events(|event| event.target == "the test");
    assert_eq!(events.len(), 6);
    for event in events {
        let name = event.fields["name"].as_str();
        assert_eq!(event.scope, [name, "call", "task"], "{event:?}");
    }
    for span in traced.calls() {
        assert!(span.entered == span.exited && span.is_closed, "{span:?}");
    }
}

#[test]
fn on_one_thread() {
    let traced = Traced::default();
    let calls = crossed(|wait| {
        let call = cede::call(|| c(wait)).suspendable();
        let task = call.instrument(info_span!("task"));
        tokio::task::spawn_local(task.with_current_subscriber())
    });
    let all = async { tokio::task::LocalSet::new().run_until(calls).await };
    on_current_thread(all.with_subscriber(traced.subscriber(LevelFilter::DEBUG)));
    check(&traced);
}

#[test]
fn on_any_thread() {
    let traced = Traced::default();
    let calls = crossed(|wait| {
        // SAFETY: a span's guard is on the C stack, and does not mind the thread, as this test shows; the future is awaited.
        let call = unsafe { cede::call(|| c(wait)).migratable() };
        let task = call.instrument(info_span!("task"));
        tokio::spawn(task.with_current_subscriber())
    });
    on_worker(
        2,
        calls.with_subscriber(traced.subscriber(LevelFilter::DEBUG)),
    );
    check(&traced);
}

#[test]
fn a_span_that_was_entered_twice() {
    let traced = Traced::default();
    let calls = async {
        let (go_on, told) = oneshot::channel::<()>();
        let call = cede::call(|| {
            let row = info_span!("row");
            let waits = || under_c(|| cede::callback(told)).expect("not refused");
            row.in_scope(|| row.in_scope(waits)).expect("it is told");
        });
        let mut call = pin!(call.suspendable());
        assert!(polled(call.as_mut()).await.is_pending());
        assert!(Span::current().is_none(), "entered: {:?}", Span::current());
        go_on.send(()).expect("it waits");
        call.await;
        assert!(Span::current().is_none(), "entered: {:?}", Span::current());
    };
    on_current_thread(calls.with_subscriber(traced.subscriber(LevelFilter::DEBUG)));
    let call = traced.call();
    assert!(call.entered == call.exited && call.is_closed, "{call:?}");
}

/// Each poll with another subscriber.
#[test]
fn a_call_is_exited_with_the_subscriber_that_knows_it() {
    let (first, second) = (Traced::default(), Traced::default());
    let [of_first, of_second] = [&first, &second]
        .map(|traced| tracing::Dispatch::new(traced.subscriber(LevelFilter::DEBUG)));
    on_current_thread(async {
        let (go_on, told) = oneshot::channel::<()>();
        let call = cede::call(|| {
            under_c(|| cede::callback(tokio::task::yield_now())).expect("not refused");
            under_c(|| cede::callback(told))
                .expect("not refused")
                .expect("it is told");
        });
        let mut call = pin!(call.suspendable());
        assert!(
            polled(call.as_mut())
                .with_subscriber(of_first.clone())
                .await
                .is_pending()
        );
        assert!(
            polled(call.as_mut())
                .with_subscriber(of_second)
                .await
                .is_pending()
        );
        let seen = first.call();
        assert!(
            seen.entered == seen.exited,
            "entered while it is suspended: {seen:?}"
        );
        go_on.send(()).expect("it waits");
        call.await;
    });
    let call = first.call();
    assert!(call.entered == call.exited && call.is_closed, "{call:?}");
    assert_eq!(second.calls().len(), 0);
}
