//! Under an executor within a task, which tokio knows nothing of, calls go on for as long as they like.

use cede_fixtures::plain::empty;
use cede_integration_tests::{PATIENCE, block_on, on_current_thread, on_worker};
use std::sync::mpsc::channel;

/// More than tokio lets a task do in one poll.
const MANY: i32 = 1000;

async fn many() {
    for n in 0..MANY {
        assert_eq!(cede::call(|| empty(n)).await, n + 1);
        assert_eq!(cede::call(|| empty(n)).brief().await, n + 1);
        assert_eq!(cede::scope(cede::call(|| empty(n))).await, n + 1);
    }
}

fn ends(run: fn()) {
    let (done, is_done) = channel();
    std::thread::spawn(move || {
        run();
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).expect("the calls end");
}

#[test]
fn within_a_current_thread_runtime() {
    ends(|| on_current_thread(async { block_on(many()) }));
}

#[test]
fn within_a_worker() {
    ends(|| on_worker(1, async { block_on(many()) }));
}

#[test]
fn outside_of_a_runtime() {
    ends(|| block_on(many()));
}
