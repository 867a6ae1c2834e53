//! A panic waits until C has returned, and is raised where the call is awaited, wherever that is by then.

use crate::hands::{Hand, once, wait};
use cede::Refused;
use cede_fixtures::nest::Frames;
use cede_integration_tests::{under_c, under_nested_c};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

type Raised = Result<Poll<i32>, String>;

/// Polls on the hand's thread, where a panic is caught.
fn poll<F>(hand: &Hand, mut call: Pin<Box<F>>) -> (Pin<Box<F>>, Raised)
where
    F: Future<Output = i32> + Send + 'static,
{
    hand.run(move || {
        let poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let polled = catch_unwind(AssertUnwindSafe(poll));
        let polled = polled.map_err(|payload| (*payload.downcast_ref::<&str>().unwrap()).into());
        (call, polled)
    })
}

/// Polls by turns until there is an outcome; how often there was none.
fn outcome(f: impl FnOnce() -> i32 + Send + 'static) -> (Raised, usize) {
    let hands = [Hand::new(), Hand::new()];
    // SAFETY: the fixtures' C holds nothing of its thread's, and the closures own what they use.
    let mut call = Box::pin(unsafe { cede::call(f).migratable() });
    let mut turns = 0;
    loop {
        let (same, polled) = poll(&hands[turns % 2], call);
        call = same;
        match polled {
            Ok(Poll::Pending) => turns += 1,
            ended => return (ended, turns),
        }
    }
}

#[test]
fn of_a_callback() {
    let raised = outcome(|| {
        let frames = Frames::default();
        let code = under_nested_c(&frames, 3, || {
            wait(1).unwrap();
            let first = cede::callback(async {
                once().await;
                panic!("the callback's");
            });
            assert_eq!(first, Err::<(), _>(Refused::Panicked));
            assert_eq!(wait(1), Err(Refused::Panicked));
            -1
        });
        assert_eq!(frames.left.into_inner(), 3);
        code
    });
    assert_eq!(raised, (Err("the callback's".into()), 2));
}

#[test]
fn of_the_closure() {
    let raised = outcome(|| {
        wait(1).unwrap();
        // One that is caught leaves no trace, on either thread.
        for _ in 0..2 {
            let caught = catch_unwind(|| panic!("caught"));
            assert!(caught.is_err());
            wait(1).unwrap();
        }
        panic!("the closure's");
    });
    assert_eq!(raised, (Err("the closure's".into()), 3));
}

#[test]
fn while_it_unwinds_nothing_is_awaited() {
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            assert_eq!(wait(1), Err(Refused::Panicking));
        }
    }
    let ended = outcome(|| {
        wait(1).unwrap();
        let caught = catch_unwind(|| {
            let _asks = Asks;
            panic!("caught");
        });
        assert!(caught.is_err());
        under_c(|| cede::callback(once())).unwrap();
        3
    });
    assert_eq!(ended, (Ok(Poll::Ready(3)), 2));
}
