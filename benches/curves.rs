//! How the cost of calls grows: with the calls that share a scope's poll, with callbacks in a call,
//! with the depth of nesting, with tasks that block at once. `cargo bench --bench curves` draws
//! them with criterion; single figures and their comparison with other ways are in `peers`.

use std::ffi::{c_int, c_long, c_void};
use std::hint::black_box;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use cede_fixtures::callback::{call_n, call_once};
use cede_fixtures::plain::empty;
use cede_fixtures::time::sleep_us;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{self, JoinSet};

criterion_group! {
    name = curves;
    // Half of criterion's usual times: 20 points then take under two minutes.
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(1500))
        .measurement_time(Duration::from_millis(2500));
    targets = calls_a_poll, callbacks_a_call, nesting_depth, blocking_tasks
}
criterion_main!(curves);

/// A scope that yields after so many calls pays for a frame each time; the more calls share it, the
/// closer a call comes to one on a kept stack.
fn calls_a_poll(c: &mut Criterion) {
    let runtime = with_workers(2);
    let mut group = c.benchmark_group("calls a poll of a scope");
    for calls in [1, 4, 16, 64, 256] {
        group.throughput(Throughput::Elements(calls));
        group.bench_with_input(BenchmarkId::from_parameter(calls), &calls, |b, &calls| {
            b.iter_custom(|polls| in_task(&runtime, polls_of_a_scope(polls, calls as c_int)));
        });
    }
    group.finish();
}

async fn polls_of_a_scope(polls: u64, calls: c_int) -> Duration {
    cede::scope(async move {
        let start = Instant::now();
        for _ in 0..polls {
            let mut sum = black_box(0);
            for _ in 0..calls {
                sum = cede::call(|| empty(sum)).await;
            }
            assert_eq!(sum, calls);
            task::yield_now().await;
        }
        start.elapsed()
    })
    .await
}

fn callbacks_a_call(c: &mut Criterion) {
    let runtime = with_workers(2);
    let mut group = c.benchmark_group("callbacks a call");
    for callbacks in [1, 10, 100, 1000] {
        group.throughput(Throughput::Elements(callbacks));
        group.bench_with_input(
            BenchmarkId::from_parameter(callbacks),
            &callbacks,
            |b, &n| {
                b.iter_custom(|times| in_task(&runtime, calls_with_callbacks(times, n as c_int)));
            },
        );
    }
    group.finish();
}

async fn calls_with_callbacks(times: u64, callbacks: c_int) -> Duration {
    let right = c_long::from(callbacks) * c_long::from(callbacks + 1) / 2;
    let start = Instant::now();
    for _ in 0..times {
        // SAFETY: `increment` takes any user data, returns before C does, and does not unwind.
        let sum = cede::call(|| unsafe { call_n(increment, null_mut(), callbacks) }).await;
        assert_eq!(sum, right);
    }
    start.elapsed()
}

/// A level is a call and the callback it makes, whose future makes the next call. Each level has a
/// stack of its own.
fn nesting_depth(c: &mut Criterion) {
    let runtime = with_workers(2);
    let mut group = c.benchmark_group("levels of nesting");
    for depth in [1, 2, 4, 8, 16] {
        group.throughput(Throughput::Elements(depth));
        group.bench_with_input(BenchmarkId::from_parameter(depth), &depth, |b, &depth| {
            b.iter_custom(|times| in_task(&runtime, descents(times, depth as c_int)));
        });
    }
    group.finish();
}

async fn descents(times: u64, depth: c_int) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        assert_eq!(descend_from(depth).await, depth);
    }
    start.elapsed()
}

/// Tasks that each block in C for 1 ms, all at once, on two workers. Were the workers blocked too,
/// the time would grow by 1 ms with every second task.
fn blocking_tasks(c: &mut Criterion) {
    let runtime = with_workers(2);
    let mut group = c.benchmark_group("tasks blocking 1 ms at once");
    group.sample_size(10);
    for tasks in [1, 4, 16, 64, 256, 1024] {
        group.throughput(Throughput::Elements(tasks));
        group.bench_with_input(BenchmarkId::from_parameter(tasks), &tasks, |b, &tasks| {
            b.iter_custom(|times| in_task(&runtime, crowds(times, tasks as c_int)));
        });
    }
    group.finish();
}

async fn crowds(times: u64, tasks: c_int) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        let mut crowd = JoinSet::new();
        for i in 0..tasks {
            crowd.spawn(cede::call(move || {
                sleep_us(1000);
                empty(i)
            }));
        }
        let sum: c_int = crowd.join_all().await.into_iter().sum();
        assert_eq!(sum, tasks * (tasks + 1) / 2);
    }
    start.elapsed()
}

fn with_workers(workers: usize) -> Runtime {
    let built = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    built.expect("a runtime can be built")
}

/// Runs on a worker: the thread of `block_on` holds no slot, and calls from it would cede nothing.
fn in_task<F>(runtime: &Runtime, work: F) -> Duration
where
    F: Future<Output = Duration> + Send + 'static,
{
    runtime
        .block_on(runtime.spawn(work))
        .expect("the task ends well")
}

unsafe extern "C" fn increment(_: *mut c_void, arg: c_int) -> c_int {
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
