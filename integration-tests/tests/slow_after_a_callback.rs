//! C that goes on after a callback is looked at, also if the callback has taken so long that the watchdog has gone to sleep.

use cede_fixtures::Gate;
use cede_integration_tests::process::{Watchdog, eventually_idle};
use cede_integration_tests::{Held, Warned, is_alone, under_c};
use futures::executor::block_on;
use std::future::Future;
use std::sync::Arc;
use std::thread;

/// What a call does: it calls back, and then waits.
#[derive(Default)]
struct Course {
    answered: Gate,
    held: Held,
}

impl Course {
    fn run(&self) {
        // The thread is kept by the callback itself, and not parked: whoever parks tells the watchdog.
        under_c(|| cede::callback(async { self.answered.wait() })).unwrap();
        self.held.wait();
    }
}

fn is_told_of<Fut: Future<Output = ()>>(
    test: &str,
    messages: [&str; 2],
    call: impl FnOnce(Arc<Course>, &'static str) -> Fut + Send,
) {
    // In a process of its own, for nothing else may go on.
    if !is_alone(test) {
        return;
    }
    let _watchdog = Watchdog::new("slow after a callback");
    let warned = Warned::of("the call");
    let course = Arc::new(Course::default());
    thread::scope(|scope| {
        let run = course.clone();
        scope.spawn(move || block_on(call(run, warned.0)));
        assert!(eventually_idle("cede-watchdog"));
        course.answered.open();
        warned.await_first(messages[0]);
        course.held.release();
    });
    warned.await_first(messages[1]);
    assert_eq!(warned.messages(), messages);
}

const SLOW: [&str; 2] = ["slow call", "slow call has returned"];
const BRIEF: [&str; 2] = ["brief call is not brief", "brief call has returned late"];

#[test]
fn plain() {
    is_told_of("plain", SLOW, async |course, name| {
        cede::call(|| course.run()).named(name).await;
    });
}

#[test]
fn brief() {
    is_told_of("brief", BRIEF, async |course, name| {
        cede::call(|| course.run()).named(name).brief().await;
    });
}

#[test]
fn on_the_threads_own_stack() {
    is_told_of("on_the_threads_own_stack", SLOW, async |course, name| {
        cede::call(|| course.run())
            .named(name)
            .on_thread_stack()
            .await;
    });
}

#[test]
fn that_could_be_suspended() {
    is_told_of("that_could_be_suspended", SLOW, async |course, name| {
        cede::call(move || course.run())
            .named(name)
            .suspendable()
            .await;
    });
}
