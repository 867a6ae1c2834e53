//! A panic in a handler: the parser stops, and only then the panic goes on.

use crate::document::{poem, send};
use crate::parser::{Event, run};
use cede_fixtures_xml::XML_ERR_USER_STOP;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

#[test]
fn a_panic_in_a_handler_stops_the_parser_first() {
    let _watchdog = Watchdog::new("panicking handler");
    on_worker(1, async {
        let pieces = send(&poem(100));
        let (events, code) = (Mutex::new(0), Mutex::new(0));
        let handle = |event| {
            *events.lock().unwrap() += 1;
            async move {
                tokio::task::yield_now().await;
                assert_ne!(event, Event::End("verse".into()), "not that");
                true
            }
        };
        let call = cede::call(|| {
            let outcome = run(|size| pieces.clone().next(size), handle);
            *code.lock().unwrap() = outcome.unwrap_err().code;
        });
        let panic = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("not that"), "{message}");
        assert_eq!(code.into_inner().unwrap(), XML_ERR_USER_STOP);
        let events = events.into_inner().unwrap();
        assert_eq!(events, 4, "poem, verse, its text, its end, and no more");
    });
}
