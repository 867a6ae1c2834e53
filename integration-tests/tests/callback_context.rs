//! A callback runs as part of the task that made the call: its task-locals, its id and its span are the caller's.

use cede_integration_tests::{on_current_thread, on_worker, under_c, workers};
use std::time::Duration;
use tracing::Instrument;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

tokio::task_local! {
    static COLOUR: &'static str;
}

fn colour() -> &'static str {
    COLOUR.get()
}

fn span() -> Option<tracing::Id> {
    tracing::Span::current().id()
}

/// What a callback sees before and after it has waited.
async fn looked<T>(look: impl Fn() -> T) -> (T, T) {
    let before = look();
    tokio::time::sleep(Duration::from_millis(1)).await;
    (before, look())
}

async fn sees_the_callers<T>(suspend: bool, look: fn() -> T)
where
    T: PartialEq + std::fmt::Debug + Send + 'static,
{
    let call = cede::call(move || under_c(|| cede::callback(looked(look))));
    let seen = if suspend {
        call.suspendable().await
    } else {
        call.await
    };
    assert_eq!(seen, Ok((look(), look())));
}

#[test]
fn task_locals() {
    let task = |suspend| COLOUR.scope("blue", sees_the_callers(suspend, colour));
    on_worker(1, task(false));
    workers(1).block_on(task(false));
    on_current_thread(task(true));
}

#[test]
fn task_locals_after_the_slot_was_retaken() {
    on_worker(
        1,
        COLOUR.scope("blue", async {
            let inner = COLOUR.scope("red", sees_the_callers(false, colour));
            let answer = cede::call(|| under_c(|| cede::callback(inner)))
                .long()
                .await;
            assert_eq!(answer, Ok(()));
            assert_eq!(colour(), "blue");
        }),
    );
}

#[test]
fn task_id() {
    on_worker(1, sees_the_callers(false, tokio::task::id));
    on_current_thread(async {
        tokio::spawn(sees_the_callers(true, tokio::task::id))
            .await
            .unwrap()
    });
}

#[test]
fn no_task_id_outside_of_a_task() {
    workers(1).block_on(sees_the_callers(false, tokio::task::try_id));
}

/// A subscriber that knows spans, but not those of calls, on this thread.
fn subscribe() -> DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(LevelFilter::INFO))
}

#[test]
fn the_span_on_the_block_on_thread() {
    let _subscribed = subscribe();
    let outer = tracing::info_span!("caller");
    assert!(outer.id().is_some());
    workers(1).block_on(sees_the_callers(false, span).instrument(outer));
}

#[test]
fn the_span_of_suspended_calls_side_by_side() {
    let _subscribed = subscribe();
    on_current_thread(async {
        let tasks: Vec<_> = (0..3)
            .map(|n| {
                tokio::spawn(
                    sees_the_callers(true, span).instrument(tracing::info_span!("caller", n)),
                )
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn the_span_on_a_worker() {
    let _subscribed = subscribe();
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    on_worker(1, async move {
        let outer = tracing::dispatcher::with_default(&dispatch, || tracing::info_span!("caller"));
        let task = async {
            assert!(span().is_some());
            // The future of the callback is polled under the task's dispatcher and in the task's span.
            sees_the_callers(false, span).await;
        };
        use tracing::instrument::WithSubscriber;
        task.instrument(outer).with_subscriber(dispatch).await;
    });
}
