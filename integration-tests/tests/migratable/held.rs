//! A C stack is not set aside while something on it is bound to its thread: the callback waits there, as in a plain call.

use crate::hands::{Hand, once, thread, wait};
use cede::Refused;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{
    block_on, current_thread, on_current_thread, on_worker, under_c, workers,
};
use std::future::{Future, poll_fn};
use std::sync::OnceLock;
use std::task::Poll;
use tokio::runtime::Runtime;

/// Polls the future, and in the midst of that makes a callback that waits, to the call below.
async fn asks_below() -> Result<(), Refused> {
    poll_fn(|_| Poll::Ready(wait(2))).await
}

/// What runs under C here drives an executor on C's stack, and calls back from in there.
fn executors() -> Vec<fn() -> Result<(), Refused>> {
    vec![
        || {
            block_on(cede::call(|| {
                under_c(|| cede::callback(asks_below())).unwrap()
            }))
        },
        || block_on(cede::call(|| under_c(|| cede::callback(asks_below())).unwrap()).brief()),
        || {
            block_on(
                cede::call(|| under_c(|| cede::callback(asks_below())).unwrap()).on_thread_stack(),
            )
        },
        || block_on(cede::call(|| under_c(|| cede::callback(asks_below())).unwrap()).suspendable()),
        || block_on(cede::scope(asks_below())),
        || {
            block_on(cede::scope(async {
                cede::call(|| ()).await;
                asks_below().await
            }))
        },
        || {
            // Not dropped, which a worker may not do.
            static OTHER: OnceLock<Runtime> = OnceLock::new();
            let _entered = OTHER.get_or_init(current_thread).enter();
            wait(2)
        },
    ]
}

/// Whether the thread was the same all along, and what the callback came to.
fn stays(f: fn() -> Result<(), Refused>) -> (bool, Result<(), Refused>) {
    let before = thread();
    let waited = f();
    (before == thread(), waited)
}

fn migratable(
    f: fn() -> Result<(), Refused>,
) -> impl Future<Output = (bool, Result<(), Refused>)> + Send {
    // SAFETY: the stack is not set aside, which is what is tested.
    unsafe { cede::call(move || stays(f)).migratable() }
}

#[test]
fn outside_of_a_runtime() {
    let _watchdog = Watchdog::new("held, outside of a runtime");
    for f in executors() {
        let hand = Hand::new();
        assert_eq!(
            hand.poll(Box::pin(migratable(f))).1,
            Poll::Ready((true, Ok(())))
        );
    }
}

#[test]
fn on_workers() {
    let _watchdog = Watchdog::new("held, on workers");
    for f in executors() {
        for count in [1, 2] {
            assert_eq!(on_worker(count, migratable(f)), (true, Ok(())));
            assert_eq!(on_worker(count, cede::scope(migratable(f))), (true, Ok(())));
        }
    }
}

/// What drives a current-thread runtime must not wait, also where that runs under C.
#[test]
fn by_a_current_thread_runtime_under_c() {
    let _watchdog = Watchdog::new("held by a runtime");
    let f = || current_thread().block_on(asks_below());
    let refused = (true, Err(Refused::WouldStarve));
    assert_eq!(
        Hand::new().poll(Box::pin(migratable(f))).1,
        Poll::Ready(refused)
    );
    assert_eq!(on_worker(1, migratable(f)), refused);
    assert_eq!(on_worker(1, cede::scope(migratable(f))), refused);
}

/// To wait there would stop the runtime.
#[test]
fn on_a_current_thread_runtime() {
    let _watchdog = Watchdog::new("held, on a current-thread runtime");
    for f in executors() {
        let (stayed, waited) = on_current_thread(cede::call(move || stays(f)).suspendable());
        assert!(stayed);
        assert_eq!(waited, Err(Refused::WouldStarve));
    }
}

/// An executor's whole life, out of line as `migratable` wants it.
#[inline(never)]
fn drives() {
    assert_eq!(block_on(cede::call(|| 1)), 1);
    assert_eq!(block_on(cede::scope(cede::call(|| 2))), 2);
    assert_eq!(workers(1).block_on(cede::call(|| 3)), 3);
}

/// An executor that has come to its end, or has not begun, holds nothing.
#[test]
fn before_and_after_it_moves() {
    let hands = [Hand::new(), Hand::new()];
    let call = || {
        let mut seen = vec![thread()];
        for _ in 0..3 {
            drives();
            assert_eq!(cede::callback(once()), Ok(()));
            seen.push(thread());
            drives();
        }
        seen
    };
    // SAFETY: nothing is held across the callbacks.
    let mut call = Box::pin(unsafe { cede::call(call).migratable() });
    let mut turn = 0;
    let seen = loop {
        let (same, polled) = hands[turn % 2].poll(call);
        call = same;
        turn += 1;
        if let Poll::Ready(seen) = polled {
            break seen;
        }
    };
    let of_hands = hands.each_ref().map(|hand| hand.run(thread));
    let expected: Vec<_> = of_hands.into_iter().cycle().take(4).collect();
    assert_eq!(seen, expected);
}
