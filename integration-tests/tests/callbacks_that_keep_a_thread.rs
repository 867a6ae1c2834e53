//! A callback that keeps a thread waiting is said to, once, and to be done, once. C is not slow meanwhile: time in callbacks is
//! not C's.

use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{Held, Warned, current_thread, on_worker, under_c};
use futures::executor::block_on;
use std::sync::Arc;
use std::thread;
use tokio::sync::Semaphore;

const KEEPS: &str = "a callback keeps its thread waiting";
const DONE: &str = "a callback that kept its thread waiting is done";

/// Has a call's callback wait until that was said.
fn is_told_of(
    name: &'static str,
    mode: &str,
    run: impl FnOnce(Arc<Semaphore>, &'static str) + Send,
) {
    let _watchdog = Watchdog::new(name);
    let warned = Warned::of(name);
    let ready = Arc::new(Semaphore::new(0));
    thread::scope(|scope| {
        let wait = ready.clone();
        let call = scope.spawn(move || run(wait, name));
        let keeps = warned.await_first(KEEPS);
        assert_eq!(keeps.fields["mode"], mode);
        assert!(keeps.fields["thread"].parse::<i32>().unwrap() > 0);
        ready.add_permits(1);
        call.join().unwrap();
    });
    let done = warned.await_first(DONE);
    assert_eq!(done.fields["mode"], mode);
    // Nor was C said to be slow.
    assert_eq!(warned.messages(), [KEEPS, DONE]);
}

/// C that calls back, for something that has to be waited for.
fn asks(ready: Arc<Semaphore>) -> impl FnOnce() + Send {
    move || {
        under_c(|| {
            cede::callback(async {
                ready.acquire().await.unwrap().forget();
            })
        })
        .unwrap();
    }
}

#[test]
fn on_a_worker() {
    is_told_of("worker", "in_place", |ready, name| {
        on_worker(1, async move { cede::call(asks(ready)).named(name).await });
    });
}

#[test]
fn in_a_scope() {
    is_told_of("scope", "in_place", |ready, name| {
        on_worker(
            1,
            cede::scope(async move { cede::call(asks(ready)).named(name).await }),
        );
    });
}

#[test]
fn on_a_thread_without_a_slot() {
    is_told_of("without a slot", "in_place", |ready, name| {
        block_on(cede::call(asks(ready)).named(name));
    });
}

#[test]
fn of_a_brief_call() {
    is_told_of("brief", "brief", |ready, name| {
        on_worker(1, async move {
            cede::call(asks(ready)).named(name).brief().await;
        });
    });
}

#[test]
fn on_the_threads_own_stack() {
    is_told_of("thread stack", "thread_stack", |ready, name| {
        on_worker(1, async move {
            cede::call(asks(ready)).named(name).on_thread_stack().await;
        });
    });
}

#[test]
fn of_an_offloaded_call() {
    is_told_of("offloaded", "offloaded", |ready, name| {
        on_worker(
            1,
            async move { cede::offload(asks(ready)).named(name).await },
        );
    });
}

#[test]
fn on_a_lane() {
    let lane = cede::Lane::new("waits").unwrap();
    is_told_of("lane", "lane", |ready, name| {
        block_on(cede::offload(asks(ready)).named(name).on_lane(&lane));
    });
}

/// Each callback, not each call.
#[test]
fn each_of_a_call() {
    let _watchdog = Watchdog::new("each of a call");
    let warned = Warned::of("two callbacks");
    let ready = Arc::new(Semaphore::new(0));
    let (first, second) = (ready.clone(), ready.clone());
    let call = cede::offload(move || {
        asks(first)();
        asks(second)();
    });
    let call = thread::spawn(move || block_on(call.named(warned.0)));
    warned.await_first(KEEPS);
    ready.add_permits(1);
    assert!(cede_integration_tests::process::eventually(|| warned
        .events(KEEPS)
        .len()
        == 2));
    ready.add_permits(1);
    call.join().unwrap();
    assert!(cede_integration_tests::process::eventually(|| warned
        .messages()
        == [KEEPS, DONE, KEEPS, DONE]));
}

/// A call that is suspended keeps no thread.
#[test]
fn but_none_that_suspends() {
    let _watchdog = Watchdog::new("suspended");
    let (suspended, other) = (Warned::of("suspended"), Warned::of("beside it"));
    let ready = Arc::new(Semaphore::new(0));
    let held = Held::new();
    let runtime = current_thread();
    let tasks = tokio::task::LocalSet::new();
    let wait = ready.clone();
    let call = tasks.spawn_local(cede::call(asks(wait)).named(suspended.0).suspendable());
    thread::scope(|scope| {
        runtime.block_on(tasks.run_until(tokio::task::yield_now()));
        // Seen later, and slow.
        scope.spawn(|| block_on(cede::call(|| held.wait()).named(other.0)));
        other.await_first("slow call");
        held.release();
    });
    ready.add_permits(1);
    runtime.block_on(tasks.run_until(call)).unwrap();
    assert_eq!(suspended.messages(), [""; 0]);
}
