//! What of a line becomes an event.

use super::record::{Line, Lines};
use cede::CLog;
use std::ptr::null;
use tracing::{Level, dispatcher};

/// The lines that `f` logs.
fn logged(f: impl FnOnce(&CLog)) -> Vec<Line> {
    let (lines, subscriber) = Lines::recorded();
    dispatcher::with_default(&subscriber, || f(&CLog::new("of texts")));
    lines.take()
}

fn line(level: Level, code: Option<i64>, text: &str) -> Line {
    Line {
        target: "cede::c::of texts".into(),
        level,
        text: text.into(),
        code,
        spans: Vec::new(),
    }
}

#[test]
fn level_code_and_text() {
    let lines = logged(|log| {
        log.at(Level::ERROR).text("as a str\n");
        log.at(Level::WARN).code(-3).text(b"as bytes\r\n");
        // SAFETY: a C string.
        unsafe { log.at(Level::INFO).c_str(c"as C has it".as_ptr()) };
        let text = c"with a length, and more";
        // SAFETY: as many bytes are there.
        unsafe { log.at(Level::DEBUG).code(7).c_bytes(text.as_ptr(), 13) };
        log.at(Level::TRACE).text("no\n end");
    });
    assert_eq!(
        lines,
        [
            line(Level::ERROR, None, "as a str"),
            line(Level::WARN, Some(-3), "as bytes"),
            line(Level::INFO, None, "as C has it"),
            line(Level::DEBUG, Some(7), "with a length"),
            line(Level::TRACE, None, "no\n end"),
        ]
    );
}

#[test]
fn no_text_is_an_event_only_with_a_code() {
    let lines = logged(|log| {
        log.at(Level::INFO).text("\r\n");
        // SAFETY: null is allowed.
        unsafe { log.at(Level::INFO).c_str(null()) };
        // SAFETY: as above.
        unsafe { log.at(Level::INFO).c_bytes(null(), 5) };
        // SAFETY: as above.
        unsafe { log.at(Level::INFO).code(1).c_str(null()) };
    });
    assert_eq!(lines, [line(Level::INFO, Some(1), "")]);
}
