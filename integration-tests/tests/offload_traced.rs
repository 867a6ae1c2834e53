//! C's thread has the subscriber and the span of the task that made the call.

use cede_integration_tests::{block_on, under_c};
use std::sync::{Arc, Mutex};
use tracing::instrument::WithSubscriber;
use tracing::{Event, Instrument, Subscriber, info, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// Keeps the names of the spans that each event is in.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Vec<&'static str>>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == "the test" {
            let scope = context.event_scope(event).into_iter().flatten();
            let names = scope.map(|span| span.name()).collect();
            self.0.lock().unwrap().push(names);
        }
    }
}

#[test]
fn events_of_c_are_the_tasks() {
    let spans = Spans::default();
    let subscriber = Registry::default()
        .with(LevelFilter::INFO)
        .with(spans.clone());
    let lane = cede::Lane::new("traced").unwrap();
    let on_lane = cede::offload(|| info!(target: "the test", "on a lane")).on_lane(&lane);
    let both = async {
        cede::offload(|| {
            info!(target: "the test", "in C");
            under_c(|| cede::callback(async { info!(target: "the test", "in a callback") }))
                .unwrap();
        })
        .await;
        on_lane.await;
    };
    // Not the process's subscriber, but this future's.
    let both = async { both.instrument(info_span!("outer")).await };
    block_on(both.with_subscriber(subscriber));
    assert_eq!(*spans.0.lock().unwrap(), [["outer"], ["outer"], ["outer"]]);
}
