//! Handlers that await, element by element, of a document that is awaited, too.

use crate::document::{poem, poem_events, send};
use crate::parser::{Event, run};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_current_thread, on_worker};
use futures::future::join_all;
use std::sync::Mutex;
use tokio::sync::mpsc;

/// What is told of a text in pieces is joined.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::Text(text)), Event::Text(more)) => text.push_str(&more),
            (_, event) => joined.push(event),
        }
    }
    joined
}

#[test]
fn elements_wait_for_room_in_a_bounded_channel() {
    const VERSES: usize = 200;

    let _watchdog = Watchdog::new("elements");
    on_worker(1, async {
        let pieces = send(&poem(VERSES));
        let (tell, mut told) = mpsc::channel(1);
        let parser = tokio::spawn(async move {
            let handle = |event| {
                let tell = tell.clone();
                async move { tell.send(event).await.is_ok() }
            };
            cede::call(|| run(|size| pieces.clone().next(size), handle))
                .named("xmlParseDocument")
                .await
        });
        let mut events = Vec::new();
        while let Some(event) = told.recv().await {
            events.push(event);
        }
        assert_eq!(parser.await.unwrap(), Ok(()));
        assert_eq!(joined(events), poem_events(VERSES));
    });
}

#[test]
fn suspended_parsers_on_one_thread_tell_each_of_its_own_document() {
    const PARSERS: usize = 20;

    let _watchdog = Watchdog::new("suspended parsers");
    on_current_thread(async {
        let parsers = (1..=PARSERS).map(|verses| {
            let pieces = send(&poem(verses));
            cede::call(move || {
                let events = Mutex::new(Vec::new());
                let handle = |event| {
                    let events = &events;
                    async move {
                        tokio::task::yield_now().await;
                        events.lock().unwrap().push(event);
                        true
                    }
                };
                let outcome = run(|size| pieces.clone().next(size), handle);
                (outcome, events.into_inner().unwrap())
            })
            .suspendable()
        });
        for (i, (outcome, events)) in join_all(parsers).await.into_iter().enumerate() {
            assert_eq!(outcome, Ok(()));
            assert_eq!(joined(events), poem_events(i + 1));
        }
    });
}
