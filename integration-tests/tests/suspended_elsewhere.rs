//! A suspended call belongs to its thread. Dropped on another one, its stack is leaked and counted; polled there, it panics.
//!
//! One test: the counter of leaks is the process's.

use cede_fixtures::plain::empty;
use cede_integration_tests::{Traced, current_thread, on_current_thread, under_c};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use tracing_subscriber::filter::LevelFilter;

type Suspended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the C of a suspended call holds, and whether it ever returned.
#[derive(Clone, Default)]
struct Seen {
    held: Arc<()>,
    returned: Arc<AtomicBool>,
}

/// A call that is suspended on the calling thread.
fn suspended(seen: &Seen) -> Suspended {
    let mut call = call(seen.clone());
    on_current_thread(std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    }));
    call
}

fn call(seen: Seen) -> Suspended {
    let call = cede::call(move || {
        let refused = under_c(|| cede::callback(pending::<()>()));
        assert!(refused.is_err());
        seen.returned.store(true, Ordering::SeqCst);
        drop(seen.held);
    });
    Box::pin(call.named("left_behind").suspendable())
}

fn leaked_by(what: impl FnOnce(&Seen)) {
    let (seen, before) = (Seen::default(), cede::metrics());
    what(&seen);
    let after = cede::metrics();
    assert_eq!(after.leaked_stacks - before.leaked_stacks, 1);
    assert!(!seen.returned.load(Ordering::SeqCst), "C never returns");
    assert_eq!(
        Arc::strong_count(&seen.held),
        2,
        "what C holds is leaked with it"
    );
}

fn elsewhere<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(f).join().unwrap())
}

#[test]
fn a_suspended_call_away_from_home() {
    away_from_home();
    // And if somebody looks at the calls.
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::DEBUG);
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    away_from_home();
    let last = traced
        .calls()
        .into_iter()
        .rfind(|call| call.number("callbacks") > 0);
    let last = last.expect("the one that was cancelled at home");
    assert!(last.is_closed && last.entered == last.exited, "{last:?}");
}

fn away_from_home() {
    // Dropped by another thread.
    leaked_by(|seen| {
        let call = suspended(seen);
        elsewhere(|| drop(call));
    });
    // Its thread has ended.
    leaked_by(|seen| drop(elsewhere(|| suspended(seen))));
    // With the runtime it was a task of.
    leaked_by(|seen| {
        let runtime = current_thread();
        runtime.block_on(async {
            tokio::spawn(call(seen.clone()));
            tokio::task::yield_now().await;
        });
        elsewhere(|| drop(runtime));
    });
    // Polled by another thread, and then dropped there.
    leaked_by(|seen| {
        let mut call = suspended(seen);
        elsewhere(|| {
            let poll = || {
                call.as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
            };
            let message = *catch_unwind(AssertUnwindSafe(poll))
                .unwrap_err()
                .downcast::<String>()
                .unwrap();
            assert!(message.contains("another thread"), "{message}");
            assert!(message.contains("left_behind"), "{message}");
            drop(call);
        });
    });
    // Polled by another thread, and then cancelled where it belongs: no harm was done.
    let (seen, before) = (Seen::default(), cede::metrics());
    let mut call = suspended(&seen);
    elsewhere(|| {
        let poll = || {
            call.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
        };
        assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    });
    drop(call);
    assert!(seen.returned.load(Ordering::SeqCst));
    assert_eq!(Arc::strong_count(&seen.held), 1);
    assert_eq!(cede::metrics().leaked_stacks, before.leaked_stacks);
    // All threads involved can call as before.
    let fine = || futures::executor::block_on(cede::call(|| empty(1))) == 2;
    assert!(fine() && elsewhere(fine));
}
