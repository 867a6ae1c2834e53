//! How long the only worker's slot lies in C before somebody else runs tasks on it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use cede_fixtures::plain::empty;
use cede_fixtures::time::sleep_us;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task;

use crate::effort::Effort;
use crate::row::{self, Row};
use crate::runtime::with_workers;

/// Long enough for the slowest monitor of the table to retake within the call: Go's scans every 10
/// ms at times.
const LONG_US: u32 = 50_000;
const IDLE: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_millis(50);

/// The first call after a second in which nothing ran. 20 of them are what the time allows.
pub(crate) fn quiet(effort: Effort) -> Vec<Row> {
    let idle = effort.pick(IDLE, Duration::from_millis(20));
    let runtime = with_workers(1);
    measure("retake_quiet", effort.pick(20, 1), |_| {
        thread::sleep(idle);
        run(&runtime, long_call())
    })
}

/// A long call that comes after 50 ms and a bit of short ones. The bit differs, so that the samples
/// do not walk in step with the monitor. 100 of them are what the time allows.
pub(crate) fn busy(effort: Effort) -> Vec<Row> {
    let runtime = with_workers(1);
    measure("retake_busy", effort.pick(100, 2), |i| {
        let length = BUSY + Duration::from_micros(u64::from(i) * 7919 % 10_000);
        run(&runtime, async move {
            short_calls(length).await;
            long_call().await
        })
    })
}

fn measure(name: &str, samples: u32, mut sample: impl FnMut(u32) -> Option<Duration>) -> Vec<Row> {
    let waits = (0..2 * samples)
        .filter_map(&mut sample)
        .take(samples as usize);
    let waits: Vec<f64> = waits.map(row::microseconds).collect();
    assert_eq!(
        waits.len(),
        samples as usize,
        "calls keep yielding before C"
    );
    let max = waits.iter().copied().fold(0.0, f64::max);
    vec![
        Row::new(format!("{name}_p50_us"), "us", waits),
        Row::new(format!("{name}_max_us"), "us", vec![max]),
    ]
}

fn run<F>(runtime: &Runtime, work: F) -> Option<Duration>
where
    F: Future<Output = Option<Duration>> + Send + 'static,
{
    runtime
        .block_on(runtime.spawn(work))
        .expect("the task ends well")
}

/// From entering C to the first poll of a task that was ready before it. `None` if the call yielded
/// before it entered C: the other task ran then, and the sample says nothing.
async fn long_call() -> Option<Duration> {
    // A call yields when the task's budget is spent. Here it is filled up.
    task::yield_now().await;
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move { tell.send(Instant::now()) });
    let in_c = AtomicBool::new(false);
    let mut call = pin!(cede::call(|| {
        in_c.store(true, Ordering::Relaxed);
        sleep_us(LONG_US);
        empty(0)
    }));
    let entering = Instant::now();
    let first = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
    if !in_c.load(Ordering::Relaxed) {
        return None;
    }
    let answer = match first {
        Poll::Ready(answer) => answer,
        // Retaken, and so the call ends by way of the run queue.
        Poll::Pending => call.await,
    };
    assert_eq!(answer, 1);
    Some(told.await.expect("the other task runs") - entering)
}

async fn short_calls(length: Duration) {
    let start = Instant::now();
    let mut sum = 0;
    while start.elapsed() < length {
        let before = sum;
        sum = cede::call(|| empty(sum)).await;
        assert_eq!(sum, before + 1);
    }
}
