//! Each level of nested calls has a C stack of its own, all of them on the caller's thread; a call on the thread's stack
//! is on that.

use cede_fixtures::deep::local_address;
use cede_fixtures::thread;
use cede_integration_tests::{on_current_thread, on_worker, under_c};
use std::ops::Range;

/// The bounds of the calling thread's own stack.
fn own_stack() -> Range<usize> {
    // SAFETY: all zeroes is only storage here; `pthread_getattr_np` fills it.
    let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    // SAFETY: takes nothing.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: `attributes` is storage of the right type.
    let got = unsafe { libc::pthread_getattr_np(this, &raw mut attributes) };
    assert_eq!(got, 0);
    let (mut lowest, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes were initialised above.
    let got = unsafe {
        libc::pthread_attr_getstack(&raw const attributes, &raw mut lowest, &raw mut size)
    };
    assert_eq!(got, 0);
    // SAFETY: initialised above, and not used any more.
    unsafe { libc::pthread_attr_destroy(&raw mut attributes) };
    lowest.addr()..lowest.addr() + size
}

/// Where C's locals lie and which thread runs it, level by level.
type Seen = Vec<(usize, usize)>;

fn look() -> (usize, usize) {
    (local_address(), thread::current())
}

fn nested(depth: usize) -> futures::future::BoxFuture<'static, Seen> {
    Box::pin(async move {
        cede::call(move || {
            let here = look();
            let mut seen = if depth > 1 {
                under_c(|| cede::callback(nested(depth - 1))).unwrap()
            } else {
                Seen::new()
            };
            seen.push(here);
            seen
        })
        .await
    })
}

async fn each_level_has_its_own() {
    let (own, this) = (own_stack(), thread::current());
    assert!(own.contains(&look().0));
    let seen = nested(8).await;
    assert_eq!(seen.len(), 8);
    for (level, &(address, on)) in seen.iter().enumerate() {
        assert_eq!(on, this, "level {level}");
        assert!(!own.contains(&address), "level {level}");
        for (other, &(elsewhere, _)) in seen.iter().enumerate().filter(|&(other, _)| other != level)
        {
            assert!(
                address.abs_diff(elsewhere) >= 2 << 20,
                "levels {level} and {other} share a stack"
            );
        }
    }
}

#[test]
fn on_a_worker() {
    on_worker(1, each_level_has_its_own());
}

#[test]
fn on_a_current_thread_runtime() {
    on_current_thread(each_level_has_its_own());
}

async fn on_the_threads_own() {
    let (address, bounds) = cede::call(|| (local_address(), own_stack()))
        .on_thread_stack()
        .await;
    assert!(bounds.contains(&address));
    let nested = cede::call(|| {
        under_c(|| {
            cede::callback(async {
                let inner = cede::call(|| (local_address(), own_stack()))
                    .on_thread_stack()
                    .await;
                (inner, own_stack().contains(&local_address()))
            })
        })
    });
    let ((address, bounds), callback_too) = nested.on_thread_stack().await.unwrap();
    assert!(bounds.contains(&address));
    assert!(callback_too);
}

#[test]
fn on_the_threads_own_stack() {
    on_worker(1, on_the_threads_own());
    on_current_thread(on_the_threads_own());
    futures::executor::block_on(on_the_threads_own());
}

/// The future of a callback is polled on the task's stack, not on C's.
#[test]
fn callbacks_run_on_the_tasks_stack() {
    on_current_thread(async {
        let own = own_stack();
        let address = cede::call(|| under_c(|| cede::callback(async { local_address() }))).await;
        assert!(own.contains(&address.unwrap()));
    });
}
