//! Callbacks from threads that C has made: those that wait for an answer, and those that only note an event.

use std::ffi::{c_int, c_void};
use std::thread;
use std::time::{Duration, Instant};

use cede::{Overflow, Registered, Reply};
use tokio::runtime::Runtime;

use crate::effort::Effort;
use crate::row::Row;
use crate::runtime::with_workers;

/// Room that lets a reader be away for a fifth of a millisecond or so at five million events a second. Guessed.
const ROOM: usize = 1024;

pub(crate) fn rows(effort: Effort) -> Vec<Row> {
    let runtime = &with_workers(2);
    vec![
        Row::per_part(effort, "callback_foreign", 1, |n| callbacks(runtime, n)),
        Row::per_part(effort, "spawn_and_two_wakeups", 1, |n| spawns(runtime, n)),
        Row::per_part(effort, "stream_events", 1, |n| events(runtime, n)),
    ]
}

/// This thread is none of the runtime's, like one that C has made. The future is ready at once.
fn callbacks(runtime: &Runtime, n: u32) -> Duration {
    let _inside = runtime.enter();
    let registered = Registered::new(-1, |n: c_int| async move { n + 1 });
    drop(_inside);
    let (function, data) = (registered.data_first(), registered.data());
    let start = Instant::now();
    let mut sum = 0;
    for _ in 0..n {
        sum = function(data, sum);
    }
    let took = start.elapsed();
    assert_eq!(sum, n as c_int);
    took
}

/// What a callback has to do at the least: a task is spawned, which wakes a worker, and wakes this thread.
fn spawns(runtime: &Runtime, n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        let here = thread::current();
        let task = runtime.spawn(async move { here.unpark() });
        thread::park();
        drop(task);
    }
    start.elapsed()
}

/// One producer, this thread, and one reader, a task: the time until the last event has been read. An event for which there
/// is no room is refused, and offered again, so that all of them arrive.
fn events(runtime: &Runtime, n: u32) -> Duration {
    let reply = Reply {
        taken: true,
        refused: false,
    };
    let (registered, mut events) =
        Registered::stream(ROOM, Overflow::Refuse, reply, |n: u32| u64::from(n));
    let reader = runtime.spawn(async move {
        let (mut read, mut sum) = (0, 0);
        while let Some(n) = events.recv().await {
            read += 1;
            sum += n;
        }
        (read, sum, events.dropped())
    });
    let (function, data): (_, *mut c_void) = (registered.data_first(), registered.data());
    let start = Instant::now();
    let mut refused = 0;
    for event in 0..n {
        while !function(data, event) {
            refused += 1;
            thread::yield_now();
        }
    }
    drop(registered);
    let (read, sum, dropped) = runtime.block_on(reader).expect("the reader ends well");
    let took = start.elapsed();
    assert_eq!(read, n);
    assert_eq!(sum, u64::from(n) * (u64::from(n) - 1) / 2);
    assert_eq!(dropped, refused, "drops are counted exactly");
    took
}
