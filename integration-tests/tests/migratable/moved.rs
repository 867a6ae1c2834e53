//! C goes on on the thread that polls, with all that is its own: stack, errno, exceptions, what it borrows.

use crate::hands::{Hand, once, thread, wait};
use cede_fixtures::deep::{checksum, local_address, recurse_bytes};
use cede_fixtures::nest::Frames;
use cede_fixtures::{HAS_CXX, bridge, callback, cxx, errno};
use cede_integration_tests::{under_c, under_nested_c};
use std::ffi::c_int;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// Polls with each hand in turn until the future is ready; how often it was not.
fn by_turns<F>(hands: &[Hand], mut future: Pin<Box<F>>) -> (F::Output, usize)
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    for (turns, hand) in hands.iter().cycle().enumerate() {
        let (same, polled) = hand.poll(future);
        future = same;
        if let Poll::Ready(output) = polled {
            return (output, turns);
        }
    }
    unreachable!("hands never tire");
}

fn migratable<R: Send + 'static>(
    f: impl FnOnce() -> R + Send + 'static,
) -> Pin<Box<impl Future<Output = R> + Send + 'static>> {
    // SAFETY: the fixtures' C holds nothing of its thread's across a callback, and the closures of these tests own what they use.
    Box::pin(unsafe { cede::call(f).migratable() })
}

#[test]
fn it_goes_on_in_the_midst_of_c_on_thread_after_thread() {
    let hands = [Hand::new(), Hand::new(), Hand::new()];
    let of_hands = hands.each_ref().map(|hand| hand.run(thread));
    let call = migratable(|| {
        let frames = Frames::default();
        let place = local_address();
        let mut seen = vec![thread()];
        for _ in 0..7 {
            let code = under_nested_c(&frames, 5, || {
                assert_eq!(wait(1), Ok(()));
                seen.push(thread());
                0
            });
            assert_eq!(code, 0);
        }
        assert_eq!(local_address(), place, "the stack is the same");
        assert_eq!(frames.left.into_inner(), 35);
        seen
    });
    let (seen, turns) = by_turns(&hands, call);
    assert_eq!(turns, 7);
    let expected: Vec<_> = of_hands.into_iter().cycle().take(8).collect();
    assert_eq!(seen, expected, "each poll goes on on its own thread");
}

#[test]
fn a_future_is_polled_by_whoever_polls_the_task() {
    let hands = [Hand::new(), Hand::new()];
    let of_hands = hands.each_ref().map(|hand| hand.run(thread));
    let call = migratable(|| {
        under_c(|| {
            cede::callback(async {
                let mut seen = vec![thread()];
                for _ in 0..4 {
                    once().await;
                    seen.push(thread());
                }
                seen
            })
        })
    });
    let (seen, _) = by_turns(&hands, call);
    let expected: Vec<_> = of_hands.into_iter().cycle().take(5).collect();
    assert_eq!(seen, Ok(expected));
}

#[test]
fn the_first_threads_errno_is_left_alone() {
    let (first, second) = (Hand::new(), Hand::new());
    let call = migratable(|| {
        let waited = cede::callback(once());
        errno::succeed(5, 0);
        waited
    });
    let (call, _) = first.poll(call);
    first.run(|| errno::succeed(77, 0));
    assert_eq!(second.poll(call).1, Poll::Ready(Ok(())));
    let errno = first.run(|| std::io::Error::last_os_error().raw_os_error());
    assert_eq!(errno, Some(77));
}

#[test]
fn errno_is_as_it_was_before_the_callback() {
    let hands = [Hand::new(), Hand::new()];
    for hand in &hands {
        hand.run(|| errno::succeed(99, 0));
    }
    let call = migratable(|| {
        let mut callback = |_: c_int| {
            // Nothing but the callback itself, which has the thread changed.
            let waited = cede::callback(once());
            assert_eq!(waited, Ok(()));
            0
        };
        let (cb, ud) = bridge(&mut callback);
        // SAFETY: the closure outlives the call.
        unsafe { errno::across(cb, ud, 11) }
    });
    let (seen, turns) = by_turns(&hands, call);
    assert_eq!((seen, turns), (11, 1));
}

#[test]
fn exceptions_go_with_c() {
    if !HAS_CXX {
        return eprintln!("skipped: there was no C++ compiler");
    }
    type Frame = unsafe fn(cede_fixtures::Callback, *mut std::ffi::c_void, c_int) -> Option<c_int>;
    unsafe fn deep(
        cb: cede_fixtures::Callback,
        ud: *mut std::ffi::c_void,
        arg: c_int,
    ) -> Option<c_int> {
        // SAFETY: the caller's promise; eight frames fit any stack.
        unsafe { cxx::deep(cb, ud, arg, 8) }
    }
    let hands = [Hand::new(), Hand::new()];
    for frame in [cxx::rethrow as Frame, cxx::unwind, cxx::current, deep] {
        let enter = move |waits: bool| {
            let mut callback = |_: c_int| {
                if waits {
                    assert_eq!(wait(3), Ok(()));
                }
                0
            };
            let (cb, ud) = bridge(&mut callback);
            // SAFETY: the closure outlives the call.
            unsafe { frame(cb, ud, 0) }.expect("there is a C++ compiler")
        };
        let mut calls: Vec<_> = (0..4).map(|_| migratable(move || enter(true))).collect();
        for turn in 0..4 {
            let mut still = Vec::new();
            for (n, call) in calls.into_iter().enumerate() {
                let hand = &hands[(turn + n) % 2];
                let (call, polled) = hand.poll(call);
                // Others throw and catch in between.
                assert_eq!(hand.run(move || enter(false)), 0);
                match polled {
                    Poll::Ready(code) => assert_eq!(code, 0, "{}", cxx::meaning(code)),
                    Poll::Pending => still.push(call),
                }
            }
            calls = still;
        }
        assert!(calls.is_empty());
    }
}

#[test]
fn what_is_borrowed_may_move() {
    let hands = [Hand::new(), Hand::new()];
    let whole = Box::pin(async {
        let mut numbers = vec![1, 2, 3];
        // SAFETY: C holds nothing of its thread's, and nobody forgets the future.
        unsafe {
            cede::call(|| {
                for number in &mut numbers {
                    wait(1).unwrap();
                    *number *= 10;
                }
            })
            .migratable()
        }
        .await;
        numbers
    });
    assert_eq!(by_turns(&hands, whole), (vec![10, 20, 30], 3));
}

#[test]
fn all_of_the_stack_can_be_used_wherever_it_goes_on() {
    const BYTES: usize = 1 << 20;
    let hands = [Hand::new(), Hand::new()];
    let call = migratable(|| {
        // SAFETY: a C stack ends in a guard page.
        let deep = || unsafe { recurse_bytes(BYTES) };
        for _ in 0..3 {
            assert_eq!(deep(), checksum(BYTES));
            wait(1).unwrap();
        }
        deep()
    });
    assert_eq!(by_turns(&hands, call), (checksum(BYTES), 3));
}

#[test]
fn only_futures_that_are_send_are_polled() {
    let call = migratable(|| {
        let local = under_c(|| cede::callback_local(async {}));
        let send = under_c(|| cede::callback(async {}));
        (local, send)
    });
    let refused = Err(cede::Refused::NotLocal);
    assert_eq!(Hand::new().poll(call).1, Poll::Ready((refused, Ok(()))));
}

#[test]
fn on_the_threads_own_stack_the_thread_parks() {
    let hand = Hand::new();
    // SAFETY: as above.
    let call = unsafe {
        cede::call(|| {
            let before = thread();
            wait(1).map(|()| before == thread())
        })
        .migratable()
        .on_thread_stack()
    };
    assert_eq!(hand.poll(Box::pin(call)).1, Poll::Ready(Ok(true)));
}

#[test]
fn typed_callbacks_go_with_c_if_their_futures_are_send() {
    let hands = [Hand::new(), Hand::new()];
    hands[1].run(|| errno::succeed(99, 0));
    let call = migratable(|| {
        let sends = cede::Callback::sendable(-7, |n: c_int| async move {
            once().await;
            n + 1
        });
        let stays = cede::Callback::new(-8, async |n: c_int| n + 1);
        // SAFETY: both callbacks outlive C.
        let kept = unsafe { errno::across(sends.data_first(), sends.data(), 11) };
        // SAFETY: as above.
        let sent = unsafe { callback::call_once(sends.data_first(), sends.data(), 1) };
        // SAFETY: as above.
        let stayed = unsafe { callback::call_once(stays.data_first(), stays.data(), 1) };
        (kept, sent, stayed)
    });
    assert_eq!(by_turns(&hands, call), ((11, 2, -8), 2));
}

#[test]
fn registered_callbacks_go_with_c() {
    let hands = [Hand::new(), Hand::new()];
    let runtime = cede_integration_tests::workers(1);
    let entered = runtime.enter();
    let registered = cede::Registered::new(-1, |n: c_int| async move {
        once().await;
        n + 1
    });
    drop(entered);
    let (f, data) = (registered.data_first(), registered.data() as usize);
    let call = migratable(move || {
        // SAFETY: the user data is a registration's.
        let first = unsafe { callback::call_once(f, data as *mut _, 1) };
        // SAFETY: as above.
        (first, unsafe { errno::across(f, data as *mut _, 11) })
    });
    assert_eq!(by_turns(&hands, call), ((2, 11), 2));
    drop(registered);
}
