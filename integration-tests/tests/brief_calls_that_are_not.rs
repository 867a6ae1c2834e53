//! A brief call that is not brief is said not to be, once, and to have returned, once.

use cede_integration_tests::process::{Watchdog, eventually_idle};
use cede_integration_tests::{Held, Warned, on_worker};
use futures::executor::block_on;
use std::future::Future;
use std::sync::Arc;
use std::thread;

const NOT_BRIEF: &str = "brief call is not brief";
const LATE: &str = "brief call has returned late";

fn is_told_of<Fut: Future>(
    name: &'static str,
    run: impl FnOnce(Fut) + Send,
    call: impl FnOnce(Arc<Held>, &'static str) -> Fut + Send,
) {
    let _watchdog = Watchdog::new(name);
    let warned = Warned::of(name);
    let held = Arc::new(Held::new());
    thread::scope(|scope| {
        let wait = held.clone();
        let call = scope.spawn(move || run(call(wait, name)));
        let slow = warned.await_first(NOT_BRIEF);
        assert_eq!(slow.fields["mode"], "brief");
        assert_eq!(slow.fields["syscall"], "read");
        assert_eq!(slow.fields["thread"], held.thread().to_string());
        held.release();
        call.join().unwrap();
    });
    assert_eq!(warned.await_first(LATE).fields["mode"], "brief");
    assert_eq!(warned.messages(), [NOT_BRIEF, LATE]);
}

#[test]
fn the_first_of_a_thread() {
    is_told_of("first", block_on, async |held, name| {
        cede::call(|| held.wait()).named(name).brief().await;
    });
}

/// Calls that ask for nothing, for a turn of them is under way.
async fn many_brief_calls() {
    for n in 0..1000 {
        assert_eq!(cede::call(|| n).named("quick").brief().await, n);
    }
}

#[test]
fn amid_quick_ones() {
    is_told_of("amid quick ones", block_on, async |held, name| {
        many_brief_calls().await;
        cede::call(|| held.wait()).named(name).brief().await;
        many_brief_calls().await;
    });
}

#[test]
fn on_a_worker() {
    is_told_of(
        "on a worker",
        |call| on_worker(1, call),
        |held, name| async move {
            many_brief_calls().await;
            cede::call(|| held.wait()).named(name).brief().await;
        },
    );
}

#[test]
fn in_a_scope() {
    is_told_of(
        "in a scope",
        |call| on_worker(1, cede::scope(call)),
        |held, name| async move {
            cede::call(|| ()).await;
            cede::call(|| held.wait()).named(name).brief().await;
        },
    );
}

/// The watchdog has gone to sleep in the midst of a turn. Several times, for the turn may be over just then. (In a build that is not
/// optimized no call is quick enough for a turn of more than itself.)
#[test]
fn when_all_was_quiet() {
    // In a process of its own, for nothing else may go on.
    if !cede_integration_tests::is_alone("when_all_was_quiet") {
        return;
    }
    for name in ["quiet", "quiet again", "quiet once more"] {
        is_told_of(name, block_on, async |held, name| {
            many_brief_calls().await;
            assert!(eventually_idle("cede-watchdog"));
            cede::call(|| held.wait()).named(name).brief().await;
        });
    }
}
