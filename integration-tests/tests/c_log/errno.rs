//! errno is for C what it was before it logged.

use super::record::Lines;
use cede::CLog;
use cede_fixtures::errno::across;
use std::ffi::{c_int, c_void};
use tracing::{Level, dispatcher};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Leaves an errno behind, as writing to a file that is full does.
struct Fails;

impl<S: tracing::Subscriber> Layer<S> for Fails {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        cede_fixtures::errno::fail_int(libc::ENOSPC);
    }
}

/// A function that uses a log all by itself.
unsafe extern "C" fn plain(log: *mut c_void, _: c_int) -> c_int {
    // SAFETY: the test passes one.
    let log = unsafe { &*log.cast::<CLog>() };
    log.at(Level::INFO).text("a line");
    0
}

#[test]
fn whatever_the_subscriber_does() {
    let (lines, _) = Lines::recorded();
    let subscriber = Registry::default().with(lines.clone()).with(Fails);
    dispatcher::with_default(&subscriber.into(), || {
        let log = CLog::new("test");
        let data = std::ptr::from_ref(&log).cast_mut().cast();
        // SAFETY: the function takes a log, which is there.
        let errno = unsafe { across(plain, data, 7) };
        assert_eq!(errno, 7);
        let callback = log.callback(0, |log: &CLog, _: c_int| {
            cede_fixtures::errno::fail_int(libc::EIO);
            log.at(Level::INFO).text("another");
            0
        });
        // SAFETY: the callback is there.
        let errno = unsafe { across(callback.data_first(), callback.data(), 8) };
        assert_eq!(errno, 8);
    });
    assert_eq!(lines.take().len(), 2);
}
