//! A call in a destructor that runs while its thread ends does its work as well as any other.

use cede_fixtures::plain::empty;
use cede_integration_tests::{block_on, under_c, workers};
use std::cell::Cell;
use std::sync::mpsc::{Sender, channel};

/// Makes calls when it is dropped, and reports what came of them.
struct CallsAtTheEnd(Sender<i32>);

impl Drop for CallsAtTheEnd {
    fn drop(&mut self) {
        let plain = block_on(cede::call(|| empty(1)));
        let scoped = block_on(cede::scope(cede::call(|| empty(10))));
        let called_back = block_on(cede::call(|| {
            under_c(|| cede::callback(async { empty(100) })).unwrap()
        }));
        let (wake, woken) = tokio::sync::oneshot::channel();
        let waker = std::thread::spawn(|| wake.send(1000).unwrap());
        let parked = block_on(cede::call(|| {
            under_c(|| cede::callback(async { woken.await.unwrap() })).unwrap()
        }));
        waker.join().unwrap();
        self.0.send(plain + scoped + called_back + parked).unwrap();
    }
}

thread_local! {
    static AT_THE_END: Cell<Option<CallsAtTheEnd>> = const { Cell::new(None) };
}

const ALL: i32 = 2 + 11 + 101 + 1000;

#[test]
fn on_a_thread_that_has_made_no_call() {
    let (report, reports) = channel();
    std::thread::spawn(|| AT_THE_END.set(Some(CallsAtTheEnd(report))))
        .join()
        .unwrap();
    assert_eq!(reports.recv(), Ok(ALL));
}

#[test]
fn after_everything_the_thread_kept_for_calls_is_gone() {
    let (report, reports) = channel();
    std::thread::spawn(|| {
        // Destructors run in the opposite order: what calls leave behind goes first.
        AT_THE_END.set(Some(CallsAtTheEnd(report)));
        assert_eq!(block_on(cede::call(|| empty(1))), 2);
        under_a_callback();
    })
    .join()
    .unwrap();
    assert_eq!(reports.recv(), Ok(ALL));
}

#[test]
fn before_everything_the_thread_kept_for_calls_is_gone() {
    let (report, reports) = channel();
    std::thread::spawn(|| {
        under_a_callback();
        AT_THE_END.set(Some(CallsAtTheEnd(report)));
    })
    .join()
    .unwrap();
    assert_eq!(reports.recv(), Ok(ALL));
}

#[test]
fn on_a_worker_that_ends_with_its_runtime() {
    let (report, reports) = channel();
    let runtime = workers(1);
    runtime.block_on(async {
        tokio::spawn(async {
            AT_THE_END.set(Some(CallsAtTheEnd(report)));
            assert_eq!(cede::call(|| empty(1)).await, 2);
        })
        .await
        .unwrap();
    });
    drop(runtime);
    assert_eq!(reports.recv(), Ok(ALL));
}

fn under_a_callback() {
    let answer = block_on(cede::call(|| under_c(|| cede::callback(async { 1 }))));
    assert_eq!(answer, Ok(1));
}

/// C's own destructors of what it keeps for a thread run after all of Rust's.
#[test]
fn in_a_destructor_of_cs() {
    extern "C" fn destroy(value: *mut libc::c_void) {
        // SAFETY: what was set below, given up there.
        drop(unsafe { Box::from_raw(value.cast::<CallsAtTheEnd>()) });
    }
    let mut key = 0;
    // SAFETY: makes a key, whose destructor takes what is set for it below.
    let made = unsafe { libc::pthread_key_create(&raw mut key, Some(destroy)) };
    assert_eq!(made, 0);
    for calls_before in [false, true] {
        let (report, reports) = channel();
        std::thread::spawn(move || {
            if calls_before {
                under_a_callback();
            }
            let value = Box::into_raw(Box::new(CallsAtTheEnd(report)));
            // SAFETY: the key is there for good.
            assert_eq!(unsafe { libc::pthread_setspecific(key, value.cast()) }, 0);
        })
        .join()
        .unwrap();
        assert_eq!(reports.recv(), Ok(ALL), "calls before: {calls_before}");
    }
}
