//! What a crossing takes when nothing waits.

use std::ffi::{c_int, c_long, c_void};
use std::hint::black_box;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use cede_fixtures::callback::{call_n, call_once};
use cede_fixtures::plain::empty;
use futures::executor::block_on;
use tokio::runtime::Runtime;
use tokio::task;

use crate::effort::Effort;
use crate::row::Row;
use crate::runtime::{core_held, with_workers};
use crate::typed::{self, CALLBACKS};

const DEPTH: u32 = 8;
const SUSPENSIONS: u32 = 100;

pub(crate) fn rows(effort: Effort) -> Vec<Row> {
    let runtime = &with_workers(2);
    let row = |name, parts, timed: Timed<'_>| Row::per_part(effort, name, parts, timed);
    vec![
        row("plain_call", 1, Box::new(plain_calls)),
        row("stack_call", 1, Box::new(|n| block_on(stack_calls(n)))),
        row("call", 1, in_task(runtime, calls)),
        row("call_in_scope", 1, in_task(runtime, calls_in_scope)),
        row("call_brief", 1, in_task(runtime, brief_calls)),
        row("callback_ready", CALLBACKS, in_task(runtime, callbacks)),
        row("plain_callback", CALLBACKS, in_task(runtime, typed::plain)),
        row("callback_typed", CALLBACKS, in_task(runtime, typed::typed)),
        row("callback_leaf", CALLBACKS, in_task(runtime, typed::leaf)),
        row("call_plus_callback", 1, in_task(runtime, call_backs)),
        row("nested_per_level", DEPTH, in_task(runtime, nested_in_scope)),
        row("nested_alone_per_level", DEPTH, in_task(runtime, nested)),
        row("yield_now", 1, in_task(runtime, yields)),
        row("suspend_resume", SUSPENSIONS, in_task(runtime, suspensions)),
        row(
            "suspend_resume_brief",
            SUSPENSIONS,
            in_task(runtime, brief_suspensions),
        ),
        row("metrics", 1, in_task(runtime, snapshots)),
        row("block_in_place", 1, in_task(runtime, blocks_in_place)),
        row("spawn_blocking", 1, in_task(runtime, spawned)),
    ]
}

/// Does its thing so many times and says how long that took.
type Timed<'a> = Box<dyn Fn(u32) -> Duration + 'a>;

/// Runs each sample in a task of its own on a worker.
fn in_task<'a, W, F>(runtime: &'a Runtime, work: W) -> Timed<'a>
where
    W: Fn(u32) -> F + 'a,
    F: Future<Output = Duration> + Send + 'static,
{
    Box::new(move |n| {
        let task = runtime.spawn(work(n));
        runtime.block_on(task).expect("the task ends well")
    })
}

/// C called as Rust calls it anywhere: the floor.
fn plain_calls(n: u32) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum = empty(sum);
    }
    check(start, sum, n)
}

/// Run where there is no runtime and so no slot: what is left of a call is its kept stack and the
/// question where it runs.
async fn stack_calls(n: u32) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum = cede::call(|| empty(sum)).await;
    }
    check(start, sum, n)
}

/// Each call cedes by itself and has a core to cede. The yield that tokio's budget asks for after
/// 128 calls is in the figure, as it is in every task.
async fn calls(n: u32) -> Duration {
    assert!(core_held());
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum = cede::call(|| empty(sum)).await;
    }
    let took = check(start, sum, n);
    assert!(core_held());
    took
}

/// The scope's own frames are in the figure, shared by the calls of a poll.
async fn calls_in_scope(n: u32) -> Duration {
    assert!(core_held());
    let start = Instant::now();
    let scope = cede::scope(async {
        let mut sum = 0;
        for _ in 0..n {
            sum = cede::call(|| empty(sum)).await;
        }
        sum
    });
    let took = check(start, scope.await, n);
    assert!(core_held());
    took
}

async fn brief_calls(n: u32) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum = cede::call(|| empty(sum)).brief().await;
    }
    check(start, sum, n)
}

/// A thousand callbacks in one call, whose own cost is a thousandth part of the figure.
async fn callbacks(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        // SAFETY: `increment` takes any user data, returns before C does, and does not unwind.
        let sum = cede::call(|| unsafe { call_n(increment, null_mut(), CALLBACKS as c_int) }).await;
        assert_eq!(sum, c_long::from(CALLBACKS * (CALLBACKS + 1) / 2));
    }
    start.elapsed()
}

async fn call_backs(n: u32) -> Duration {
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        // SAFETY: `increment` takes any user data, returns before C does, and does not unwind.
        sum = cede::call(|| unsafe { call_once(increment, null_mut(), sum) }).await;
    }
    check(start, sum, n)
}

/// In a scope, so that it is levels that are measured: outside of one an eighth of what it costs the outermost call to cede is in
/// the figure, as in the next row.
async fn nested_in_scope(n: u32) -> Duration {
    cede::scope(nested(n)).await
}

/// A level is a call and the callback it makes, whose future makes the next call.
async fn nested(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        assert_eq!(descend_from(DEPTH as c_int).await, DEPTH as c_int);
    }
    start.elapsed()
}

/// What a task pays for coming back from the run queue: the floor of the next two.
async fn yields(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        task::yield_now().await;
    }
    start.elapsed()
}

/// A callback that is ready when it is polled for the second time: C is left, the task goes through the run queue, and C goes on, its
/// slot ceded.
async fn suspensions(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        // SAFETY: as `suspending`.
        check_sum(unsafe { suspending().migratable() }.await);
    }
    start.elapsed()
}

/// The same with the slot kept.
async fn brief_suspensions(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        // SAFETY: as `suspending`.
        check_sum(unsafe { suspending().brief().migratable() }.await);
    }
    start.elapsed()
}

/// C that may go on on any thread: it has nothing of one's when it calls back, and borrows nothing.
fn suspending() -> cede::Call<impl FnOnce() -> c_long, c_long> {
    // SAFETY: `yield_and_increment` takes any user data, returns before C does, and does not unwind.
    cede::call(|| unsafe { call_n(yield_and_increment, null_mut(), SUSPENSIONS as c_int) })
}

unsafe extern "C" fn yield_and_increment(_: *mut c_void, arg: c_int) -> c_int {
    let next = async move {
        task::yield_now().await;
        arg + 1
    };
    cede::callback(next).unwrap_or(cede_fixtures::REFUSED)
}

fn check_sum(sum: c_long) {
    assert_eq!(sum, c_long::from(SUSPENSIONS * (SUSPENSIONS + 1) / 2));
}

/// A look at all that is counted, for the threads of the rows before this one.
async fn snapshots(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        assert!(black_box(cede::metrics()).calls.in_place > 0);
    }
    start.elapsed()
}

/// The call alone is timed: giving the core away, waking a thread for it, C, and finding out
/// whether the core is still there. The yield before it, which is not timed, brings the task back
/// to a worker with a core, else there would be nothing to give away; nor is what the woken thread
/// does beside us.
async fn blocks_in_place(n: u32) -> Duration {
    let mut took = Duration::ZERO;
    let mut sum = 0;
    for _ in 0..n {
        task::yield_now().await;
        assert!(core_held());
        let start = Instant::now();
        sum = task::block_in_place(|| empty(sum));
        took += start.elapsed();
    }
    assert_eq!(sum, n as c_int);
    took
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

pub(crate) unsafe extern "C" fn increment(_: *mut c_void, arg: c_int) -> c_int {
    cede::callback(async move { arg + 1 }).unwrap_or(cede_fixtures::REFUSED)
}

unsafe extern "C" fn descend(_: *mut c_void, level: c_int) -> c_int {
    let below = async move {
        if level == 1 {
            1
        } else {
            1 + descend_from(level - 1).await
        }
    };
    cede::callback(below).unwrap_or(cede_fixtures::REFUSED)
}

fn descend_from(level: c_int) -> impl Future<Output = c_int> + Send {
    // SAFETY: `descend` takes any user data, returns before C does, and does not unwind.
    cede::call(move || unsafe { call_once(descend, null_mut(), level) })
}

/// The time since `start`, once C is known to have been called `n` times.
fn check(start: Instant, sum: c_int, n: u32) -> Duration {
    let took = start.elapsed();
    assert_eq!(sum, n as c_int);
    took
}
