//! The end of a registration: it refuses from then on and waits for nobody; `close` waits; what comes late is refused and
//! counted. In one process with nothing else, because of the counters.

use cede::{Overflow, Registered, Reply, Token};
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{block_on, current_thread, workers};
use std::ffi::{c_int, c_void};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use tokio::sync::Semaphore;

/// The tests of this file look at the same counters.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

type IntToInt = Registered<fn(c_int) -> c_int>;

/// C, on a thread of its own.
fn on_foreign_thread(registered: &IntToInt, arg: c_int) -> JoinHandle<c_int> {
    let (function, data) = (registered.data_first(), registered.data().addr());
    thread::spawn(move || function(std::ptr::without_provenance_mut(data), arg))
}

/// Counts when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A registration whose callbacks wait for a permit each, and what tells that the closure is gone.
fn waiting() -> (IntToInt, Arc<Semaphore>, Arc<AtomicUsize>) {
    let permits = Arc::new(Semaphore::new(0));
    let gone = Arc::new(AtomicUsize::new(0));
    let (open, captured) = (permits.clone(), Dropped(gone.clone()));
    let registered = Registered::new(-1, move |n: c_int| {
        let _captured = &captured;
        let open = open.clone();
        async move {
            open.acquire().await.unwrap().forget();
            n
        }
    });
    (registered, permits, gone)
}

#[test]
fn drop_refuses_and_returns_though_a_callback_is_in_flight() {
    let (_alone, _watchdog) = (alone(), Watchdog::new("drop"));
    let runtime = workers(1);
    let _inside = runtime.enter();
    let (registered, permits, gone) = waiting();
    let (function, data) = (registered.data_first(), registered.data());
    let in_flight = on_foreign_thread(&registered, 5);
    assert!(eventually(|| registered.in_flight() == 1));

    let before = cede::metrics();
    drop(registered);
    assert_eq!(cede::metrics().registrations, before.registrations - 1);
    assert_eq!(function(data, 6), -1);
    assert_eq!(cede::metrics().late_callbacks, before.late_callbacks + 1);
    assert_eq!(cede::metrics().refusals, before.refusals + 1);

    // The one in flight goes on, and takes the closure along.
    assert_eq!(gone.load(Ordering::SeqCst), 0);
    permits.add_permits(1);
    assert_eq!(in_flight.join().unwrap(), 5);
    assert_eq!(gone.load(Ordering::SeqCst), 1);
    assert_eq!(function(data, 6), -1);
}

#[test]
fn close_waits_for_callbacks_in_flight_and_for_the_closures_end() {
    let (_alone, _watchdog) = (alone(), Watchdog::new("close"));
    let runtime = workers(1);
    let _inside = runtime.enter();
    let (registered, permits, gone) = waiting();
    let (function, data) = (registered.data_first(), registered.data());
    let in_flight = [1, 2].map(|n| on_foreign_thread(&registered, n));
    assert!(eventually(|| registered.in_flight() == 2));

    let close = registered.close();
    // Ended by the call alone.
    assert_eq!(function(data, 6), -1);
    let mut close = pin!(close);
    let polled = close.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    permits.add_permits(1);
    assert!(eventually(|| in_flight.iter().any(JoinHandle::is_finished)));
    assert_eq!(gone.load(Ordering::SeqCst), 0);
    permits.add_permits(1);
    runtime.block_on(close);
    assert_eq!(gone.load(Ordering::SeqCst), 1);
    let sum: c_int = in_flight.into_iter().map(|c| c.join().unwrap()).sum();
    assert_eq!(sum, 3);
}

#[test]
fn close_of_an_idle_registration_is_ready_at_once() {
    let _alone = alone();
    let runtime = workers(1);
    let _inside = runtime.enter();
    let (registered, _, gone) = waiting();
    let mut close = pin!(registered.close());
    let polled = close.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(()));
    assert_eq!(gone.load(Ordering::SeqCst), 1);
}

/// It does not wait for itself, but for the others it does.
#[test]
fn close_inside_a_callback_of_its_own_waits_for_the_others() {
    let (_alone, _watchdog) = (alone(), Watchdog::new("close inside"));
    let runtime = workers(1);
    let _inside = runtime.enter();
    let own: Arc<Mutex<Option<IntToInt>>> = Arc::default();
    let permits = Arc::new(Semaphore::new(0));
    let (closes, others_left) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let registered = Registered::new(-1, {
        let (own, permits) = (own.clone(), permits.clone());
        let (closes, others_left) = (closes.clone(), others_left.clone());
        move |n: c_int| {
            let (own, permits) = (own.clone(), permits.clone());
            let (closes, others_left) = (closes.clone(), others_left.clone());
            async move {
                if n > 0 {
                    permits.acquire().await.unwrap().forget();
                    others_left.fetch_add(1, Ordering::SeqCst);
                    return n;
                }
                let close = own.lock().unwrap().take().unwrap().close();
                closes.add_permits(1);
                close.await;
                others_left.load(Ordering::SeqCst) as c_int
            }
        }
    });
    let others = [1, 2].map(|n| on_foreign_thread(&registered, n));
    assert!(eventually(|| registered.in_flight() == 2));
    let (function, data) = (registered.data_first(), registered.data().addr());
    *own.lock().unwrap() = Some(registered);
    let closing = thread::spawn(move || function(std::ptr::without_provenance_mut(data), 0));
    runtime.block_on(closes.acquire()).unwrap().forget();
    permits.add_permits(2);
    assert_eq!(closing.join().unwrap(), 2);
    for other in others {
        other.join().unwrap();
    }
}

/// Only its own callbacks are let off.
#[test]
fn close_inside_a_callback_of_another_registration_waits() {
    let (_alone, _watchdog) = (alone(), Watchdog::new("close inside another"));
    let runtime = workers(1);
    let _inside = runtime.enter();
    let (other, permits, gone) = waiting();
    let in_flight = on_foreign_thread(&other, 5);
    assert!(eventually(|| other.in_flight() == 1));
    let other = Mutex::new(Some(other));
    let registered = Registered::new(-1, move |_: c_int| {
        let close = other.lock().unwrap().take().unwrap().close();
        let (permits, gone) = (permits.clone(), gone.clone());
        async move {
            let mut close = pin!(close);
            let polled = std::future::poll_fn(|cx| Poll::Ready(close.as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            permits.add_permits(1);
            close.await;
            gone.load(Ordering::SeqCst) as c_int
        }
    });
    assert_eq!(on_foreign_thread(&registered, 0).join().unwrap(), 1);
    assert_eq!(in_flight.join().unwrap(), 5);
}

/// The closure is inside as well, though it blocks.
#[test]
fn close_inside_the_closure() {
    let (_alone, _watchdog) = (alone(), Watchdog::new("close inside the closure"));
    let runtime = workers(1);
    let _inside = runtime.enter();
    let own: Arc<Mutex<Option<IntToInt>>> = Arc::default();
    let of_awaited = own.clone();
    let awaited = Registered::new(-1, move |n: c_int| {
        block_on(of_awaited.lock().unwrap().take().unwrap().close());
        async move { n }
    });
    let of_stream = own.clone();
    let reply = Reply {
        taken: 4,
        refused: -1,
    };
    let (stream, _events) = Registered::stream(1, Overflow::Refuse, reply, move |n: c_int| {
        block_on(of_stream.lock().unwrap().take().unwrap().close());
        n
    });
    for registered in [awaited, stream] {
        let (function, data) = (registered.data_first(), registered.data());
        *own.lock().unwrap() = Some(registered);
        assert_eq!(function(data, 4), 4);
        assert_eq!(function(data, 4), -1);
    }
}

#[test]
fn drop_inside_a_callback_of_its_own() {
    let (_alone, _watchdog) = (alone(), Watchdog::new("drop inside"));
    let runtime = current_thread();
    runtime.block_on(async {
        let own: Arc<Mutex<Option<IntToInt>>> = Arc::default();
        let registered = Registered::new(-1, {
            let own = own.clone();
            move |n: c_int| {
                let own = own.clone();
                async move {
                    drop(own.lock().unwrap().take());
                    tokio::task::yield_now().await;
                    n
                }
            }
        });
        let (function, data) = (registered.data_first(), registered.data().addr());
        *own.lock().unwrap() = Some(registered);
        let data = move || std::ptr::without_provenance_mut(data);
        let foreign = tokio::task::spawn_blocking(move || function(data(), 4));
        assert_eq!(foreign.await.unwrap(), 4);
        assert_eq!(function(data(), 4), -1);
    });
}

/// What C passes is looked up, whatever it is: of another registration, a token, forged, from the future.
#[test]
fn user_data_of_something_else_is_refused() {
    let _alone = alone();
    let runtime = workers(1);
    let _inside = runtime.enter();
    let registered = Registered::new(-1, |n: c_int| async move { n });
    let other = Registered::new(-2, |n: c_int| async move { n + 1 });
    let (stream, _events) = Registered::stream(
        1,
        Overflow::Refuse,
        Reply {
            taken: 0,
            refused: -3,
        },
        |n: c_int| n,
    );
    let token = Token::new(String::new());
    let before = cede::metrics();
    let function = registered.data_first();
    let forged: *mut c_void = std::ptr::without_provenance_mut(registered.data().addr() + 1);
    for data in [other.data(), stream.data(), token.as_ptr(), forged] {
        assert_eq!(function(data, 1), -1);
        assert_ne!(data, registered.data());
    }
    assert_eq!((stream.data_first())(registered.data(), 1), -3);
    assert_eq!((other.data_last())(1, registered.data()), -2);
    let after = cede::metrics();
    assert_eq!(after.refusals, before.refusals + 6);
    assert_eq!(after.late_callbacks, before.late_callbacks);
    assert!(
        Token::<u8>::from_ptr(registered.data())
            .get()
            .unwrap_err()
            .is_wrong_type()
    );
    token.take().unwrap();
}
