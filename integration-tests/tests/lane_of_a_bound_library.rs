//! Libraries that are bound to their thread work on a lane: one that is made for the purpose, and the dynamic loader, whose last
//! error is kept for the thread that made it. On other threads they do not, or this would prove nothing.

use cede::{Lane, Offload, offload};
use cede_fixtures::{bound, bridge};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_worker, workers};
use std::ffi::{CStr, c_int};
use std::time::Duration;

fn pushes(value: c_int) -> Offload<impl FnOnce() -> c_int + Send + 'static, c_int> {
    offload(move || bound::push(value)).named("push")
}

#[test]
fn many_tasks_share_it_and_its_callbacks_call_it_again() {
    let _watchdog = Watchdog::new("a bound library");
    let runtime = workers(2);
    let lane = Lane::new("bound").unwrap();
    runtime.block_on(async {
        assert_eq!(offload(|| bound::open()).on_lane(&lane).await, 0);
        let tasks: Vec<_> = (1..=10)
            .map(|value| tokio::spawn(pushes(value).on_lane(&lane)))
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 0);
        }
        let own = lane.clone();
        let sum = offload(move || {
            // Waits, then pushes a number more, from within a callback: the library knows the thread.
            let mut between = |index: c_int| {
                let own = own.clone();
                let pushed = cede::callback(async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    match index {
                        0 => pushes(100).on_lane(&own).await,
                        _ => 0,
                    }
                });
                pushed.unwrap_or(-1)
            };
            let (cb, ud) = bridge(&mut between);
            // SAFETY: the closure outlives the call.
            unsafe { bound::sum(cb, ud) }
        });
        assert_eq!(sum.on_lane(&lane).await, 155);
        assert_eq!(pushes(1).await, -1, "another thread finds it closed");
        assert_eq!(offload(|| bound::close()).on_lane(&lane).await, 0);
    });
}

/// Tries to load what is not there.
fn fail_to_load() -> bool {
    // SAFETY: the name ends in NUL; nothing is loaded.
    unsafe { libc::dlopen(c"/no/such/library.so".as_ptr(), libc::RTLD_NOW) }.is_null()
}

/// The last error of the calling thread.
fn last_error() -> Option<String> {
    // SAFETY: may be called at any time.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return None;
    }
    // SAFETY: a string of the loader's, there until this thread's next use of it.
    let message = unsafe { CStr::from_ptr(message) };
    Some(message.to_string_lossy().into_owned())
}

#[test]
fn the_loaders_last_error_is_found_by_the_next_call() {
    let _watchdog = Watchdog::new("the loader");
    on_worker(1, async {
        let (here, there) = (Lane::new("loader").unwrap(), Lane::new("other").unwrap());
        for _ in 0..100 {
            assert!(offload(fail_to_load).on_lane(&here).await);
            assert_eq!(offload(last_error).on_lane(&there).await, None);
            let message = offload(last_error).on_lane(&here).await.unwrap();
            assert!(message.contains("/no/such/library.so"), "{message}");
        }
    });
}
