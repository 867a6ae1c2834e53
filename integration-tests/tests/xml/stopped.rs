//! Handlers that stop the parser: by their answer, and by a refusal.

use crate::document::{poem, send};
use crate::parser::{Event, run};
use cede_fixtures_xml::XML_ERR_USER_STOP;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_current_thread, on_worker};
use std::future::ready;
use std::mem::take;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[test]
fn a_handlers_answer_stops_the_parser_at_once() {
    let _watchdog = Watchdog::new("stopped parser");
    on_worker(1, async {
        let pieces = send(&poem(100));
        let verses = AtomicUsize::new(0);
        let handle = |event| {
            let verses = &verses;
            async move {
                tokio::task::yield_now().await;
                let is_verse = event == Event::Start("verse".into());
                verses.fetch_add(is_verse.into(), SeqCst) < 5
            }
        };
        let call = cede::call(|| run(|size| pieces.clone().next(size), handle));
        let failure = call.await.unwrap_err();
        assert_eq!(failure.code, XML_ERR_USER_STOP);
        assert_eq!(verses.into_inner(), 5);
    });
}

#[test]
fn a_refused_handler_stops_the_parser() {
    on_current_thread(async {
        let document = Mutex::new(poem(3).into_bytes());
        let events = AtomicUsize::new(0);
        // Ready at once; the handlers are not, which a plain call cannot wait for on this thread.
        let read = |_| ready(take(&mut *document.lock().unwrap()));
        let handle = |_| {
            events.fetch_add(1, SeqCst);
            async {
                tokio::task::yield_now().await;
                true
            }
        };
        let failure = cede::call(|| run(read, handle)).await.unwrap_err();
        assert_eq!(failure.code, XML_ERR_USER_STOP);
        assert_eq!(events.into_inner(), 1);
    });
}
