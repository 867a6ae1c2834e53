//! With OpenTelemetry on top: a call's span is a child of its task's, and the time in which its C is set aside, or waits, is idle.

use cede_integration_tests::{on_current_thread, on_worker, under_c};
use opentelemetry::trace::{SpanId, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// The number that the layer gives as an attribute.
fn number(span: &SpanData, key: &str) -> Duration {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == key);
    let value = found.unwrap_or_else(|| panic!("no {key}: {span:?}"));
    let opentelemetry::Value::I64(nanoseconds) = value.value else {
        panic!("{key} is no number: {span:?}");
    };
    Duration::from_nanos(nanoseconds.try_into().expect("not negative"))
}

/// Has C wait for a callback while something else takes its time; how long that was at least.
async fn call_that_waits<C>(
    call: impl FnOnce(oneshot::Sender<()>, oneshot::Receiver<()>) -> C,
) -> Duration
where
    C: Future<Output = ()>,
{
    let (waits, waiting) = oneshot::channel();
    let (told, go_on) = oneshot::channel();
    let elsewhere = tokio::task::spawn_blocking(|| {
        waiting.blocking_recv().expect("C waits");
        let start = Instant::now();
        // Long enough to be seen among nanoseconds.
        std::thread::sleep(Duration::from_millis(2));
        let waited = start.elapsed();
        told.send(()).expect("C waits");
        waited
    });
    call(waits, go_on).await;
    elsewhere.await.expect("it does not panic")
}

fn c(waits: oneshot::Sender<()>, go_on: oneshot::Receiver<()>) {
    let waited = under_c(|| {
        cede::callback(async {
            waits.send(()).expect("somebody looks");
            go_on.await.expect("somebody has it go on");
        })
    });
    assert_eq!(waited, Ok(()));
}

fn check<F>(
    run: impl FnOnce(
        tracing::instrument::WithDispatch<tracing::instrument::Instrumented<F>>,
    ) -> Duration,
    calls: F,
) where
    F: Future<Output = Duration>,
{
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("the test"));
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let task = tracing::dispatcher::with_default(&subscriber, || info_span!("task"));
    let waited = run(calls.instrument(task).with_subscriber(subscriber));
    let spans = exporter.get_finished_spans().expect("they are in memory");
    let named = |name| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no {name}: {spans:?}"))
    };
    let (task, call) = (named("task"), named("call"));
    assert_eq!(spans.len(), 2);
    assert_eq!(call.parent_span_id, task.span_context.span_id());
    assert_eq!(call.span_context.trace_id(), task.span_context.trace_id());
    assert_eq!(task.parent_span_id, SpanId::INVALID);
    assert!(
        number(call, "idle_ns") >= waited,
        "waited {waited:?}: {call:?}"
    );
    assert!(number(call, "busy_ns") > Duration::ZERO);
}

#[test]
fn parked() {
    let calls = call_that_waits(|waits, go_on| cede::call(|| c(waits, go_on)));
    check(|task| on_worker(1, task), calls);
}

#[test]
fn suspended() {
    let calls = call_that_waits(|waits, go_on| cede::call(|| c(waits, go_on)).suspendable());
    check(on_current_thread, calls);
}

#[test]
fn migrating() {
    // SAFETY: nothing under C refers to the thread; the future is awaited.
    let calls =
        call_that_waits(|waits, go_on| unsafe { cede::call(|| c(waits, go_on)).migratable() });
    check(|task| on_worker(2, task), calls);
}

#[test]
fn offloaded() {
    let calls = call_that_waits(|waits, go_on| cede::offload(|| c(waits, go_on)));
    check(on_current_thread, calls);
}
