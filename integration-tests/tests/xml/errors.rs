//! Errors of the document.

use crate::document::send;
use crate::parser::{Event, Failure, run};
use cede_fixtures_xml::XML_ERR_TAG_NAME_MISMATCH;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[test]
fn what_comes_before_an_error_is_told_and_nothing_after_it() {
    let _watchdog = Watchdog::new("document with an error");
    on_worker(1, async {
        let pieces = send("<poem>\n<verse></verse>\n<verse></poem>\n<verse></verse>");
        let elements = AtomicUsize::new(0);
        let handle = |event| {
            let elements = &elements;
            async move {
                tokio::task::yield_now().await;
                let is_start = matches!(event, Event::Start(_));
                elements.fetch_add(is_start.into(), SeqCst);
                true
            }
        };
        let call = cede::call(|| run(|size| pieces.clone().next(size), handle));
        let expected = Failure {
            code: XML_ERR_TAG_NAME_MISMATCH,
            line: 3,
        };
        assert_eq!(call.await, Err(expected));
        assert_eq!(elements.into_inner(), 3);
    });
}
