//! A callback without user data reaches its own closure, or is refused.

use cede::{Callback, Refused};
use cede_fixtures::arity::{bare_1, bare_2};
use cede_integration_tests::{on_current_thread, on_worker};
use futures::FutureExt;
use std::ffi::{c_int, c_long};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use tokio::sync::oneshot;

type One = unsafe extern "C" fn(c_int) -> c_long;

/// Has C call it, with one.
fn one(function: One) -> c_long {
    // SAFETY: the closures here take any number.
    unsafe { bare_1(function) }
}

/// Fallback of those that may be refused for one reason only.
fn not_lent(why: Refused) -> c_long {
    if why == Refused::NotLent { -4 } else { -5 }
}

#[test]
fn awaits_and_borrows() {
    on_worker(1, async {
        let mut seen = Vec::new();
        let callback = Callback::new(-1, async |n: c_int| {
            tokio::task::yield_now().await;
            seen.push(n);
            c_long::from(n) + 1
        });
        let call = cede::call(|| callback.bare(|function| one(function) + one(function)));
        assert_eq!(call.await, 4);
        assert_eq!(seen, [1, 1]);
    });
}

#[test]
fn two_of_different_types_at_once() {
    on_worker(1, async {
        let first = Callback::new(-1, async |n: c_int| c_long::from(n) + 10);
        let second = Callback::leaf(-1, |n: c_int, m: c_int| c_long::from(n + m) + 100);
        let call = cede::call(|| {
            first.bare(|first| {
                // SAFETY: the closure takes any numbers.
                second.bare(|second| one(first) + unsafe { bare_2(second) })
            })
        });
        assert_eq!(call.await, 11 + 103);
    });
}

/// Two callbacks of one type, which each call of this makes one of.
fn adds(
    more: c_long,
) -> Callback<
    cede::typed::Leaf<impl FnMut(c_int) -> c_long>,
    impl cede::typed::Fallback<(c_int,), c_long> + Clone + Sync + 'static,
    (c_int,),
> {
    Callback::leaf(not_lent, move |n: c_int| c_long::from(n) + more)
}

#[test]
fn two_of_one_type_at_once_are_a_clear_error() {
    let (ten, twenty) = (adds(10), adds(20));
    let both = || ten.bare(|_| twenty.bare(one));
    let panicked = catch_unwind(AssertUnwindSafe(both)).unwrap_err();
    let message = panicked.downcast_ref::<&str>().unwrap();
    assert!(message.contains("one type"), "{message}");
    // One after the other they are as good as any.
    assert_eq!((ten.bare(one), twenty.bare(one)), (11, 21));

    on_worker(1, async {
        let (ten, twenty) = (adds(10), adds(20));
        let call = cede::call(|| ten.bare(|_| twenty.bare(one)));
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
        // Nor if the other one is outside of the call.
        let call = || futures::executor::block_on(cede::call(|| twenty.bare(one)));
        assert!(catch_unwind(AssertUnwindSafe(|| ten.bare(|_| call()))).is_err());
        assert_eq!(cede::call(|| ten.bare(one)).await, 11);
    });
}

/// A call that is made right there, by code under C, has the outer one's frames below it.
#[test]
fn found_from_a_call_within_the_function_that_it_is_lent_to() {
    on_worker(1, async {
        let ten = adds(10);
        let within = |function| futures::executor::block_on(cede::call(move || one(function)));
        assert_eq!(cede::call(|| ten.bare(within)).await, 11);
        assert_eq!(ten.bare(within), 11, "lent outside of any call");
    });
}

#[test]
fn two_of_one_type_on_two_threads() {
    std::thread::scope(|scope| {
        let (lent, was_lent) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        scope.spawn(move || {
            adds(10).bare(|function| {
                lent.send(()).unwrap();
                is_done.recv().unwrap();
                assert_eq!(one(function), 11);
            });
        });
        was_lent.recv().unwrap();
        assert_eq!(adds(20).bare(one), 21);
        done.send(()).unwrap();
    });
}

#[test]
fn on_a_foreign_thread() {
    on_worker(1, async {
        let mut seen = 0;
        let callback = Callback::new(not_lent, async |n: c_int| {
            seen += 1;
            c_long::from(n)
        });
        let refusals = cede::metrics().refusals;
        let call = cede::call(|| {
            callback.bare(|function| {
                let stranger = std::thread::spawn(move || one(function)).join().unwrap();
                (stranger, one(function))
            })
        });
        assert_eq!(call.await, (-4, 1));
        assert_eq!(seen, 1);
        assert!(cede::metrics().refusals > refusals);
    });
}

#[test]
fn after_the_function_that_it_was_lent_to() {
    let late = adds(10).bare(|function| function);
    assert_eq!(one(late), -4);
    // It belongs to the type: lent again, it is found again.
    assert_eq!(adds(30).bare(|_| one(late)), 31);
}

#[test]
fn after_a_panic_of_the_function_that_it_was_lent_to() {
    let callback = adds(10);
    let panics = || callback.bare(|_| -> () { panic!("on the way") });
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(callback.bare(one), 11);
}

/// It is lent to the C of one call, not to that of another which a callback's future makes.
#[test]
fn a_call_within_its_own_future_does_not_find_it() {
    on_worker(1, async {
        let function = std::sync::Mutex::new(None::<One>);
        let mut inner = 0;
        let callback = Callback::new(not_lent, async |n: c_int| {
            let function = function.lock().unwrap().unwrap();
            inner = cede::call(|| one(function)).await;
            c_long::from(n)
        });
        let call = cede::call(|| {
            callback.bare(|itself| {
                *function.lock().unwrap() = Some(itself);
                one(itself)
            })
        });
        assert_eq!(call.await, 1);
        assert_eq!(inner, -4);
    });
}

/// A call that lends its own, waits for the word to go on, and has C call it.
async fn waits(more: c_long, go: oneshot::Receiver<()>) -> c_long {
    let call = cede::call(move || {
        let mut go = Some(go);
        let callback = Callback::new(-1, async move |n: c_int| {
            if let Some(go) = go.take() {
                go.await.unwrap();
            }
            c_long::from(n) + more
        });
        callback.bare(|function| one(function) + one(function))
    });
    call.suspendable().await
}

/// Suspended calls take turns on one thread, and end in another order than they began.
#[test]
fn suspended_calls_have_each_their_own() {
    on_current_thread(async {
        let ((go_on, first), (go, second)) = (oneshot::channel(), oneshot::channel());
        let (first, second) = (waits(10, first), waits(20, second));
        let director = async {
            tokio::task::yield_now().await;
            go_on.send(()).unwrap();
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            go.send(()).unwrap();
        };
        assert_eq!(tokio::join!(first, second, director), (22, 42, ()));
    });
}

/// What is lent on the thread's own stack is gone from it while the suspended call is.
#[test]
fn a_suspended_call_finds_what_is_lent_when_it_goes_on() {
    on_current_thread(async {
        let (go, wait) = oneshot::channel::<()>();
        let callback = adds(10);
        let mut call = None;
        callback.bare(|function| {
            let suspended = cede::call(move || {
                let before = one(function);
                let waited = cede::callback(async { wait.await.is_ok() });
                (before, waited, one(function))
            });
            let mut suspended = Box::pin(suspended.suspendable());
            assert!((&mut suspended).now_or_never().is_none());
            call = Some(suspended);
        });
        go.send(()).unwrap();
        assert_eq!(call.unwrap().await, (11, Ok(true), -4));
    });
}
