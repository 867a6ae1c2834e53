//! Checks, once a process, that tokio's hand-off still behaves as [`core`](super::core) relies on.
//!
//! On a private runtime of one worker: the probe sees the core before a frame, the core comes back after a frame that
//! nobody took it from, and a standby that is let go runs the worker's tasks and keeps the core. If any of this fails, as
//! it may on a tokio that is not written yet, calls use plain `block_in_place`: slower, still right.

use super::core::{Attempt, Way, has_core, without_core};
use crate::observe;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Poll, RawWakerVTable};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, worker_index};

/// How long a task may take to run before the mechanism is taken not to work. A machine under full load takes less.
const PATIENCE: Duration = Duration::from_secs(5);

struct Report {
    passed: bool,
    task_waker_vtable: Option<&'static RawWakerVTable>,
}

static REPORT: OnceLock<Report> = OnceLock::new();

pub(super) fn passed() -> bool {
    report().passed
}

/// The vtable that wakers of spawned tasks have.
pub(super) fn task_waker_vtable() -> Option<&'static RawWakerVTable> {
    report().task_waker_vtable
}

fn report() -> &'static Report {
    REPORT.get_or_init(|| {
        // On a thread of its own: the caller's is in the midst of a poll.
        let report = thread::Builder::new()
            .name("cede-self-test".into())
            .spawn(run)
            .ok()
            .and_then(|test| test.join().ok())
            .flatten();
        report.unwrap_or_else(|| {
            observe::self_test_failed();
            Report {
                passed: false,
                task_waker_vtable: None,
            }
        })
    })
}

fn run() -> Option<Report> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("cede-self-test")
        .build()
        .ok()?;
    let (report, reported) = channel();
    drop(runtime.spawn(std::future::poll_fn(move |cx| {
        let vtable = cx.waker().vtable();
        let passed = catch_unwind(AssertUnwindSafe(exercise)).unwrap_or(false);
        let _ = report.send((passed, vtable));
        Poll::Ready(())
    })));
    let outcome = reported.recv_timeout(PATIENCE * 2).ok();
    runtime.shutdown_background();
    let (passed, vtable) = outcome?;
    passed.then_some(Report {
        passed,
        task_waker_vtable: Some(vtable),
    })
}

/// On a worker: the three things that the mechanism stands on.
fn exercise() -> bool {
    let held_before = worker_index().is_some() && has_core();

    let mut held_inside = true;
    let kept =
        without_core(&Way::Cheap, &mut || held_inside = has_core()) == Attempt::Ran && has_core();

    let Some((pool, release)) = held_pool() else {
        return false;
    };
    let (ran, other_task_ran) = channel();
    drop(tokio::spawn(async move {
        let _ = ran.send(thread::current().id());
    }));
    let me = thread::current().id();
    let mut taken_by_another = false;
    let entered = pool.enter();
    tokio::task::block_in_place(|| {
        drop(entered);
        drop(release);
        taken_by_another = other_task_ran
            .recv_timeout(PATIENCE)
            .is_ok_and(|thread| thread != me);
    });
    let lost = !has_core();
    pool.shutdown_background();

    held_before && !held_inside && kept && taken_by_another && lost
}

/// A runtime whose one blocking thread is held until the sender is dropped.
fn held_pool() -> Option<(tokio::runtime::Runtime, std::sync::mpsc::Sender<()>)> {
    let pool = Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .ok()?;
    let (release, released): (_, Receiver<()>) = channel();
    drop(pool.spawn_blocking(move || released.recv()));
    Some((pool, release))
}
