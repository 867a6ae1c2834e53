//! A C library that tells of events from threads of its own, and must never be held up: they are read as a stream, by a
//! task that sums them up every millisecond. What it is too slow for is dropped, and counted.
//!
//! The library is a function of this repository's own, `native/fixtures/c/foreign.c`, which stands for one that you have.

use cede::{Overflow, Registered, Reply};
use cede_fixtures::foreign;
use std::ffi::c_int;
use std::time::Duration;
use tokio::time::interval;

const THREADS: c_int = 4;
const EVENTS: c_int = 25_000;

/// What the closure makes of C's arguments. It owns nothing, so that C's threads never allocate nor free.
struct Reading {
    sensor: c_int,
    value: f64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let reply = Reply {
        taken: 0,
        refused: -1,
    };
    let (registered, mut events) =
        Registered::stream(1024, Overflow::DropOldest, reply, |number: c_int| Reading {
            sensor: number / EVENTS,
            value: f64::from(number % EVENTS),
        });

    // C reports from four threads until they are through; with the registration the stream ends.
    let c = tokio::spawn(cede::call(move || {
        // SAFETY: the function may be called on any thread, with any data.
        unsafe { foreign::run(registered.data_first(), registered.data(), THREADS, EVENTS) }
    }));

    let (mut read, mut highest) = (0, [0.0; THREADS as usize]);
    let mut report = interval(Duration::from_millis(1));
    loop {
        tokio::select! {
            _ = report.tick() => println!("{read} read, {} dropped", events.dropped()),
            event = events.recv() => match event {
                Some(Reading { sensor, value }) => {
                    read += 1;
                    highest[sensor as usize] = value;
                }
                None => break,
            },
        }
    }
    println!("{read} read, {} dropped in the end", events.dropped());
    assert_eq!(read + events.dropped(), 100_000);
    assert_eq!(c.await.expect("C does not panic"), 0);
}

#[test]
fn runs() {
    main();
}
