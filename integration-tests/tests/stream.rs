//! A stream of events: in order, bounded, every drop counted, with an end.

use cede::{Events, Overflow, Registered, Reply};
use cede_fixtures::foreign;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{block_on, current_thread, on_worker, workers};
use futures::StreamExt;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const REPLY: Reply<c_int> = Reply {
    taken: 1,
    refused: -1,
};

type IntToInt = Registered<fn(c_int) -> c_int>;

fn stream(capacity: usize, overflow: Overflow) -> (IntToInt, Events<c_int>) {
    Registered::stream(capacity, overflow, REPLY, |n: c_int| n)
}

/// C calls back with these, on this thread.
fn c(registered: &IntToInt, numbers: std::ops::Range<c_int>) -> Vec<c_int> {
    let (function, data) = (registered.data_first(), registered.data());
    numbers.map(|n| function(data, n)).collect()
}

/// What is left, when the registration has ended.
fn rest(registered: IntToInt, events: Events<c_int>) -> Vec<c_int> {
    drop(registered);
    block_on(events.collect())
}

#[test]
fn refuse_tells_c() {
    let (registered, events) = stream(3, Overflow::Refuse);
    assert_eq!(c(&registered, 0..5), [1, 1, 1, -1, -1]);
    assert_eq!(events.dropped(), 2);
    assert_eq!(rest(registered, events), [0, 1, 2]);
}

#[test]
fn drop_newest_does_not_tell_c() {
    let (registered, events) = stream(3, Overflow::DropNewest);
    assert_eq!(c(&registered, 0..5), [1; 5]);
    assert_eq!(events.dropped(), 2);
    assert_eq!(rest(registered, events), [0, 1, 2]);
}

#[test]
fn drop_oldest_makes_room() {
    let (registered, events) = stream(3, Overflow::DropOldest);
    assert_eq!(c(&registered, 0..5), [1; 5]);
    assert_eq!(events.dropped(), 2);
    assert_eq!(rest(registered, events), [2, 3, 4]);
}

/// Many threads against one reader that is too slow: what was read and what was dropped is what was offered.
#[test]
fn drops_are_counted_exactly() {
    let _watchdog = Watchdog::new("drops");
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest] {
        let runtime = workers(1);
        let (registered, mut events) = stream(16, overflow);
        let reader = runtime.spawn(async move {
            let mut read = 0;
            while events.recv().await.is_some() {
                read += 1;
            }
            (read, events.dropped())
        });
        // SAFETY: the function may be called on any thread, with this data.
        let sum = unsafe { foreign::run(registered.data_first(), registered.data(), 8, 20_000) };
        drop(registered);
        let (read, dropped) = runtime.block_on(reader).unwrap();
        assert_eq!(read + dropped, 160_000);
        let refused = if overflow == Overflow::Refuse {
            dropped
        } else {
            0
        };
        assert_eq!(sum, 160_000 - 2 * refused as i64);
    }
}

#[test]
fn events_of_a_thread_keep_their_order() {
    let _watchdog = Watchdog::new("order");
    let runtime = workers(1);
    let (registered, mut events) = stream(8, Overflow::DropOldest);
    let reader = runtime.spawn(async move {
        let mut last = [-1; 4];
        while let Some(n) = events.recv().await {
            let thread = (n / 10_000) as usize;
            assert!(last[thread] < n);
            last[thread] = n;
        }
        assert!(last.iter().all(|n| n % 10_000 == 9_999) || events.dropped() > 0);
    });
    // SAFETY: the function may be called on any thread, with this data.
    unsafe { foreign::run(registered.data_first(), registered.data(), 4, 10_000) };
    drop(registered);
    runtime.block_on(reader).unwrap();
}

/// One event at a time, each of which has to wake the reader, on every kind of executor.
#[test]
fn a_reader_that_sleeps_is_woken() {
    let _watchdog = Watchdog::new("wake-ups");
    fn echoes() -> (impl Future<Output = ()> + Send, thread::JoinHandle<()>) {
        let (registered, mut events) = stream(4, Overflow::Refuse);
        let (send, receive) = std::sync::mpsc::channel();
        let reader = async move {
            while let Some(n) = events.recv().await {
                send.send(n).unwrap();
            }
        };
        let c = thread::spawn(move || {
            for n in 0..500 {
                assert_eq!((registered.data_first())(registered.data(), n), 1);
                assert_eq!(receive.recv(), Ok(n));
            }
            drop(registered);
        });
        (reader, c)
    }
    let (reader, c) = echoes();
    on_worker(1, reader);
    c.join().unwrap();
    let (reader, c) = echoes();
    current_thread().block_on(reader);
    c.join().unwrap();
    let (reader, c) = echoes();
    block_on(reader);
    c.join().unwrap();
}

#[test]
fn the_end_of_the_registration_wakes_the_reader() {
    let _watchdog = Watchdog::new("end");
    for _ in 0..100 {
        let (registered, mut events) = stream(4, Overflow::Refuse);
        let reader = thread::spawn(move || block_on(events.recv()));
        thread::yield_now();
        drop(registered);
        assert_eq!(reader.join().unwrap(), None);
    }
}

/// The end comes when the last callback in flight has returned, and not before.
#[test]
fn what_is_in_flight_at_the_end_is_still_read() {
    let _watchdog = Watchdog::new("in flight");
    let (entered, enter) = std::sync::mpsc::channel();
    let (leave, left) = std::sync::mpsc::channel::<()>();
    let left = std::sync::Mutex::new(left);
    let (registered, mut events) =
        Registered::stream(4, Overflow::Refuse, REPLY, move |n: c_int| {
            entered.send(()).unwrap();
            left.lock().unwrap().recv().unwrap();
            n
        });
    let (function, data) = (registered.data_first(), registered.data().addr());
    let c = thread::spawn(move || function(std::ptr::without_provenance_mut(data), 7));
    enter.recv().unwrap();
    drop(registered);
    let reader =
        thread::spawn(move || block_on(async { (events.recv().await, events.recv().await) }));
    thread::sleep(Duration::from_millis(10));
    assert!(!reader.is_finished());
    leave.send(()).unwrap();
    assert_eq!(c.join().unwrap(), 1);
    assert_eq!(reader.join().unwrap(), (Some(7), None));
}

#[test]
fn c_is_refused_when_nobody_reads() {
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest] {
        let (registered, events) = stream(4, overflow);
        drop(events);
        assert_eq!(c(&registered, 0..2), [-1, -1]);
    }
}

#[test]
fn every_event_is_dropped_once() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let captured = dropped.clone();
        let (registered, events) = Registered::stream(3, overflow, Reply::VOID, move |_: c_int| {
            Counted(captured.clone())
        });
        for n in 0..5 {
            (registered.data_first())(registered.data(), n);
        }
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
        drop(events);
        assert_eq!(dropped.load(Ordering::SeqCst), 5);
        (registered.data_first())(registered.data(), 5);
        drop(registered);
        assert_eq!(dropped.load(Ordering::SeqCst), 6);
    }
}

/// A reader that always finds something does not keep its worker to itself.
#[test]
fn a_busy_reader_lets_others_run() {
    let _watchdog = Watchdog::new("budget");
    on_worker(1, async {
        let (registered, mut events) = stream(4096, Overflow::Refuse);
        assert_eq!(c(&registered, 0..4096).len(), 4096);
        let other = tokio::spawn(async {});
        for _ in 0..4096 {
            if other.is_finished() {
                return;
            }
            events.recv().await.unwrap();
        }
        panic!("the other task had no turn");
    });
}

#[test]
fn the_stream_of_futures_is_the_same() {
    let (registered, events) = stream(8, Overflow::Refuse);
    c(&registered, 0..4);
    drop(registered);
    let doubled: Vec<_> = block_on(events.map(|n| n * 2).collect());
    assert_eq!(doubled, [0, 2, 4, 6]);
}
