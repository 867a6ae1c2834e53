//! A lane: named threads of its own, a line before them, and places that are given back when C has returned.

use cede::{Lane, Refused, offload};
use cede_fixtures::{Crowd, Gate, deep};
use cede_integration_tests::process::{Watchdog, eventually, threads_named};
use cede_integration_tests::{
    PATIENCE, block_on, current_thread, on_worker, polled, under_c, workers,
};
use std::collections::BTreeSet;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// A lane of one thread, which waits in C until the gate is open.
fn occupied(queue: usize) -> (Lane, Arc<Gate>, impl Future<Output = ()>) {
    let lane = Lane::builder("occupied").queue(queue).start().unwrap();
    let place = Arc::new((Gate::new(), Crowd::new()));
    let gate = Arc::new(Gate::new());
    let mut call = {
        let (place, gate) = (place.clone(), gate.clone());
        offload(move || place.1.wait_at(&gate)).on_lane(&lane)
    };
    call.try_start().unwrap();
    assert!(place.1.await_inside(1, PATIENCE));
    (lane, gate, call)
}

#[test]
fn its_threads_have_its_name_and_belong_to_no_runtime() {
    let _watchdog = Watchdog::new("a lane");
    let lane = Lane::builder("of-two").threads(2).start().unwrap();
    assert!(eventually(|| threads_named("of-two-").len() == 2));
    let one = Lane::new("of-one").unwrap();
    let mut seen: Vec<(ThreadId, Option<String>)> = Vec::new();
    for runtime in [workers(1), current_thread()] {
        let call = offload(|| {
            let thread = thread::current();
            assert!(tokio::runtime::Handle::try_current().is_err());
            (thread.id(), thread.name().map(str::to_owned))
        });
        seen.push(runtime.block_on(call.on_lane(&one)));
    }
    assert_eq!(seen[0].1.as_deref(), Some("of-one"));
    assert_eq!(seen[0], seen[1], "one thread, whatever the runtime");
    block_on(async { tokio::join!(lane.close(), one.close()) });
    assert!(eventually(|| threads_named("of-").is_empty()));
}

/// Four in C, a hundred admitted, the rest of ten thousand waiting; half of them give up.
#[test]
fn ten_thousand_are_served_in_order_never_more_than_four_at_once() {
    const CALLS: usize = 10_000;
    const THREADS: usize = 4;
    let _watchdog = Watchdog::new("ten thousand calls");
    let lane = Lane::builder("four")
        .threads(THREADS)
        .queue(100)
        .start()
        .unwrap();
    let place = Arc::new((Gate::new(), Crowd::new()));
    // Who has not begun yet.
    let due: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
    on_worker(2, async move {
        let mut calls = Vec::new();
        for number in 0..CALLS {
            let (place, line) = (place.clone(), due.clone());
            let mut call = Box::pin(
                offload(move || {
                    {
                        let mut line = line.lock().unwrap();
                        // Each of the other threads may have taken one that has not got here.
                        assert!(
                            line.range(..number).count() < THREADS,
                            "out of order: {number}"
                        );
                        assert!(line.remove(&number), "run twice, or after it was dropped");
                    }
                    place.1.wait_at(&place.0);
                    number
                })
                .on_lane(&lane),
            );
            due.lock().unwrap().insert(number);
            assert!(polled(call.as_mut()).await.is_pending());
            calls.push((number, call));
        }
        assert!(place.1.await_inside(THREADS, PATIENCE));
        assert_eq!((lane.running(), lane.waiting()), (THREADS, CALLS - THREADS));
        calls.retain(|(number, _)| {
            let stays = *number < THREADS || number % 2 == 0;
            if !stays {
                due.lock().unwrap().remove(number);
            }
            stays
        });
        assert_eq!(lane.waiting(), calls.len() - THREADS);
        let served = calls.len();
        let tasks: Vec<_> = calls
            .into_iter()
            .map(|(number, call)| tokio::spawn(async move { assert_eq!(call.await, number) }))
            .collect();
        place.0.open();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(due.lock().unwrap().is_empty(), "none was lost");
        assert_eq!((place.1.most(), place.1.total()), (THREADS, served));
        assert!(eventually(|| lane.running() == 0));
    });
}

#[test]
fn with_one_thread_calls_run_in_the_order_in_which_they_were_polled() {
    let _watchdog = Watchdog::new("calls in order");
    block_on(async {
        let (lane, gate, call) = occupied(2);
        let order: Arc<Mutex<Vec<usize>>> = Arc::default();
        let mut calls = Vec::new();
        for number in 0..100 {
            let order = order.clone();
            let call = offload(move || order.lock().unwrap().push(number));
            let mut call = Box::pin(call.on_lane(&lane));
            assert!(polled(call.as_mut()).await.is_pending());
            calls.push(call);
        }
        gate.open();
        call.await;
        // Awaited in another order.
        while let Some(call) = calls.pop() {
            call.await;
        }
        assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn a_place_is_given_back_when_c_has_returned_and_not_when_the_future_is_dropped() {
    let _watchdog = Watchdog::new("a full lane");
    block_on(async {
        let (lane, gate, call) = occupied(1);
        let mut second = Box::pin(offload(|| 2).on_lane(&lane));
        second.try_start().unwrap();
        let mut third = offload(|| 3).on_lane(&lane);
        assert!(third.try_start().unwrap_err().is_full());
        // One in line gives its place back at once, for C has not begun.
        drop(second);
        third.try_start().unwrap();
        drop(third);
        // One in C does not.
        drop(call);
        let mut fourth = offload(|| 4).on_lane(&lane);
        fourth.try_start().unwrap();
        let mut fifth = offload(|| 5).on_lane(&lane);
        assert!(fifth.try_start().unwrap_err().is_full());
        gate.open();
        // It is as it was.
        assert_eq!((fourth.await, fifth.await), (4, 5));
    });
}

#[test]
fn a_lane_that_is_closed_serves_who_is_in_line_and_nobody_else() {
    let _watchdog = Watchdog::new("a closed lane");
    block_on(async {
        let (lane, gate, call) = occupied(1);
        let mut waits = Vec::new();
        for number in 0..5 {
            let mut call = Box::pin(offload(move || number).on_lane(&lane));
            assert!(polled(call.as_mut()).await.is_pending());
            waits.push(call);
        }
        let mut closes = Box::pin(lane.close());
        assert!(lane.is_closed());
        assert!(polled(closes.as_mut()).await.is_pending());

        let mut late = offload(|| 1).named("late").on_lane(&lane);
        assert!(late.try_start().unwrap_err().is_closed());
        let panics = catch_unwind(AssertUnwindSafe(|| block_on(late))).unwrap_err();
        let message = panics.downcast::<String>().unwrap();
        assert!(message.starts_with("late ("), "{message}");
        assert!(message.ends_with("the lane is closed"), "{message}");
        let (_, late) = offload(|| 1).on_lane(&lane).cancellable();
        assert!(late.await.unwrap_err().is_closed());

        gate.open();
        closes.await;
        lane.close().await;
        call.await;
        for (number, call) in waits.into_iter().enumerate() {
            assert_eq!(call.await, number);
        }
    });
}

#[test]
fn a_lane_that_is_dropped_serves_who_is_in_line() {
    let _watchdog = Watchdog::new("a dropped lane");
    block_on(async {
        let (lane, gate, call) = occupied(1);
        let mut waits = Box::pin(offload(|| 1).on_lane(&lane));
        assert!(polled(waits.as_mut()).await.is_pending());
        let keeps = offload(|| 2).on_lane(&lane);
        drop(lane);
        gate.open();
        call.await;
        assert_eq!(waits.await, 1);
        assert_eq!(keeps.await, 2, "a call that names the lane keeps it");
        assert!(eventually(|| threads_named("occupied").is_empty()));
    });
}

#[test]
fn its_thread_outlives_panics() {
    let _watchdog = Watchdog::new("a lane");
    on_worker(1, async {
        let lane = Lane::builder("panics")
            .on_start(|| panic!("in on_start"))
            .start()
            .unwrap();
        let id = || offload(|| thread::current().id()).on_lane(&lane);
        let before = id().await;
        let call = offload(|| panic!("in C")).on_lane(&lane);
        tokio::spawn(call).await.unwrap_err();
        let call = offload(|| {
            let refused = under_c(|| cede::callback(async { panic!("in a callback") }));
            assert_eq!(refused, Err::<(), _>(Refused::Panicked));
        });
        tokio::spawn(call.on_lane(&lane)).await.unwrap_err();
        assert_eq!(id().await, before);
    });
}

#[test]
fn hooks_run_on_each_thread_before_its_first_call_and_after_its_last() {
    let _watchdog = Watchdog::new("a lane");
    let (started, stopped) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    thread_local! {
        static READY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    let (start, stop) = (started.clone(), stopped.clone());
    let lane = Lane::builder("hooks")
        .threads(3)
        .on_start(move || {
            READY.set(true);
            start.fetch_add(1, Ordering::SeqCst);
        })
        .on_stop(move || {
            assert!(READY.get());
            stop.fetch_add(1, Ordering::SeqCst);
        })
        .start()
        .unwrap();
    block_on(async {
        for _ in 0..10 {
            assert!(offload(|| READY.get()).on_lane(&lane).await);
        }
        lane.close().await;
    });
    assert_eq!(started.load(Ordering::SeqCst), 3);
    assert_eq!(stopped.load(Ordering::SeqCst), 3);
}

#[test]
fn c_has_the_stack_that_was_asked_for() {
    const DEEP: usize = 12 << 20;
    let lane = Lane::builder("deep").stack_size(16 << 20).start().unwrap();
    // SAFETY: the thread's stack is larger, and ends in a guard page.
    let call = offload(|| unsafe { deep::recurse_bytes(DEEP) });
    assert_eq!(block_on(call.on_lane(&lane)), deep::checksum(DEEP));
}

#[test]
fn a_name_that_no_thread_can_have_is_an_error() {
    let error = Lane::new("a\0b").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn an_abandoned_call_that_waits_for_a_callback_gives_its_thread_back() {
    let _watchdog = Watchdog::new("a lane");
    on_worker(1, async {
        let lane = Lane::builder("gives-back").queue(0).start().unwrap();
        let call = offload(|| under_c(|| cede::callback(pending::<()>())));
        let limit = Duration::from_millis(10);
        let late = tokio::time::timeout(limit, call.on_lane(&lane)).await;
        assert!(late.is_err());
        assert_eq!(offload(|| 1).on_lane(&lane).await, 1);
    });
}

#[test]
fn whose_call_was_awaited_finds_its_place_free() {
    let _watchdog = Watchdog::new("a lane");
    on_worker(1, async {
        let lane = Lane::builder("places").queue(0).start().unwrap();
        for number in 0..2000 {
            let mut call = offload(move || number).on_lane(&lane);
            call.try_start().unwrap();
            assert_eq!(call.await, number);
        }
    });
}
