//! C on another thread: what that takes beside what tokio's own ways take for the same.

use std::ffi::{c_int, c_long};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use cede_fixtures::callback::call_n;
use cede_fixtures::plain::empty;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task;

use crate::cost::increment;
use crate::effort::Effort;
use crate::row::Row;
use crate::runtime::with_workers;

const CALLBACKS: u32 = 100;

pub(crate) fn rows(effort: Effort) -> Vec<Row> {
    let runtime = &with_workers(2);
    let lane = cede::Lane::new("bench").expect("a thread");
    let mut rows = Row::side_by_side(
        effort,
        1,
        [
            ("offload", &|n| in_task(runtime, offloaded(n))),
            ("offload_peer", &|n| in_task(runtime, spawned(n))),
            ("offload_on_lane", &|n| {
                in_task(runtime, on_lane(n, lane.clone()))
            }),
        ],
    );
    rows.extend(Row::side_by_side(
        effort,
        CALLBACKS,
        [
            ("rendezvous", &|n| in_task(runtime, callbacks(n))),
            ("rendezvous_peer", &|n| in_task(runtime, channels(n))),
        ],
    ));
    rows
}

fn in_task(runtime: &Runtime, work: impl Future<Output = Duration> + Send + 'static) -> Duration {
    let task = runtime.spawn(work);
    runtime.block_on(task).expect("the task ends well")
}

async fn offloaded(n: u32) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum = cede::offload(move || empty(sum)).await;
    }
    check(start, sum, n)
}

async fn on_lane(n: u32, lane: cede::Lane) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum = cede::offload(move || empty(sum)).on_lane(&lane).await;
    }
    check(start, sum, n)
}

async fn spawned(n: u32) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        let task = task::spawn_blocking(move || empty(sum));
        sum = task.await.expect("C does not panic");
    }
    check(start, sum, n)
}

/// The call itself, shared by a hundred callbacks, is in the figure; the peer has the same.
async fn callbacks(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        // SAFETY: `increment` takes any user data, returns before C does, and does not unwind.
        let call = || unsafe { call_n(increment, null_mut(), CALLBACKS as c_int) };
        assert_eq!(cede::offload(call).await, sum_of_all());
    }
    start.elapsed()
}

/// A blocking thread asks a task, and waits for the answer, by tokio's channels.
async fn channels(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        let (ask, mut asked) = mpsc::unbounded_channel::<(c_int, oneshot::Sender<c_int>)>();
        let blocking = task::spawn_blocking(move || {
            let mut sum = 0;
            for arg in 0..CALLBACKS as c_int {
                let (answer, answered) = oneshot::channel();
                ask.send((arg, answer)).expect("the task listens");
                sum += c_long::from(answered.blocking_recv().expect("the task answers"));
            }
            sum
        });
        while let Some((arg, answer)) = asked.recv().await {
            answer.send(arg + 1).expect("the thread waits");
        }
        assert_eq!(blocking.await.expect("ends well"), sum_of_all());
    }
    start.elapsed()
}

fn sum_of_all() -> c_long {
    c_long::from(CALLBACKS * (CALLBACKS + 1) / 2)
}

/// The time since `start`, once C is known to have been called `n` times.
fn check(start: Instant, sum: c_int, n: u32) -> Duration {
    let took = start.elapsed();
    assert_eq!(sum, n as c_int);
    took
}
