//! A callback that panics on a thread of C's: C gets the fallback, the panic is reported and goes no further. In a process
//! of its own, because of the counters.

use cede::{Overflow, Registered, Reply};
use cede_fixtures::foreign;
use cede_integration_tests::workers;
use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static REPORTED: AtomicUsize = AtomicUsize::new(0);

/// Counts the reports of panics.
struct Reports;

impl<S: Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Message(bool);
        impl Visit for Message {
            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
            fn record_str(&mut self, field: &Field, value: &str) {
                self.0 |= field.name() == "panic" && value.contains("on purpose");
            }
        }
        let metadata = event.metadata();
        if metadata.target() == "cede" && *metadata.level() == Level::ERROR {
            let mut message = Message(false);
            event.record(&mut message);
            REPORTED.fetch_add(usize::from(message.0), Ordering::SeqCst);
        }
    }
}

#[test]
fn c_gets_the_fallback_and_the_panic_is_reported() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Reports)).unwrap();
    std::panic::set_hook(Box::new(|_| ()));
    let runtime = workers(2);
    let _inside = runtime.enter();
    let registered: Registered<fn(c_int) -> c_int> = Registered::new(-1, |n: c_int| {
        assert!(n % 3 != 1, "in the closure, on purpose");
        async move {
            tokio::task::yield_now().await;
            assert!(n % 3 != 2, "in the future, on purpose");
            1
        }
    });
    // SAFETY: the function may be called on any thread, with this data.
    let sum = unsafe { foreign::run(registered.data_first(), registered.data(), 4, 300) };
    // One in three is answered, the others get the fallback.
    assert_eq!(sum, 400 - 800);
    assert_eq!(cede::metrics().panics, 800);
    assert_eq!(REPORTED.load(Ordering::SeqCst), 800);

    let reply = Reply {
        taken: 0,
        refused: -1,
    };
    let (stream, mut events) = Registered::stream(8, Overflow::Refuse, reply, |n: c_int| {
        assert!(n != 1, "in a stream, on purpose");
        n
    });
    // SAFETY: as above.
    let sum = unsafe { foreign::run(stream.data_first(), stream.data(), 1, 3) };
    assert_eq!(sum, -1);
    drop(stream);
    runtime.block_on(async {
        assert_eq!(events.recv().await, Some(0));
        assert_eq!(events.recv().await, Some(2));
        assert_eq!(events.recv().await, None);
    });
    assert_eq!(REPORTED.load(Ordering::SeqCst), 801);
}
