//! The one file that names tokio's hand-off.
//!
//! `block_in_place` moves the worker's core into a cell that it shares with every `run(worker)` job, queues such a job
//! on the blocking pool of the *current handle*, runs the closure, and takes the core back if it is still in the cell.
//! The queueing is what costs 5 to 7 µs, for it wakes or creates a thread. Which pool it goes to is ours to choose:
//!
//! - [`Way::Cheap`]: the pool of a runtime that has been shut down. The job is refused, nobody is woken.
//! - [`Way::Arm`]: the pool of a [`Standby`](super::standby::Standby), whose one thread is held. The job stays queued,
//!   and serves every later frame of this worker, for what it takes is whatever core is in that worker's cell.
//! - [`Way::Plain`]: the runtime's own pool, as tokio means it. For a tokio on which the self-test failed.

use super::standby::Standby;
use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use tokio::runtime::{Builder, Handle};

/// Where `block_in_place` queues `run(worker)`.
pub(super) enum Way {
    Cheap,
    Arm(Arc<Standby>),
    Plain,
}

thread_local! {
    /// The handle of a runtime that is shut down. One a thread: entering a handle counts its references, and a shared
    /// count makes two workers half as fast.
    static DEAD: OnceCell<Handle> = const { OnceCell::new() };
}

/// Runs `body` without the core, and takes the core back afterwards if nobody else has. `false`, with `body` not run,
/// if this thread's job does not let its core go.
///
/// `body` must not unwind.
pub(super) fn without_core(way: &Way, body: &mut dyn FnMut()) -> bool {
    match way {
        Way::Cheap => {
            DEAD.with(|dead| give_away(Some(dead.get_or_init(dead_handle).enter()), body))
        }
        Way::Arm(standby) => give_away(Some(standby.enter()), body),
        Way::Plain => give_away(None, body),
    }
}

fn give_away(entered: Option<tokio::runtime::EnterGuard<'_>>, body: &mut dyn FnMut()) -> bool {
    let began = Cell::new(false);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        tokio::task::block_in_place(|| {
            began.set(true);
            // First of all: code in the frame must see the handle that was current outside it.
            drop(entered);
            body();
        });
    }));
    match outcome {
        Ok(()) => true,
        Err(_) if !began.get() => false,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn dead_handle() -> Handle {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime without drivers needs nothing that could be refused");
    let handle = runtime.handle().clone();
    runtime.shutdown_background();
    handle
}

thread_local! {
    static WOKEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread drives a scheduler and holds its core.
///
/// `yield_now` hands the waker to the scheduler to be woken later, except on a thread without a core, where nobody would
/// come to do so: there it is woken at once. The waker is our own and sets a flag; the task is not woken by it.
pub(super) fn has_core() -> bool {
    WOKEN.set(false);
    let waker = flag_waker();
    let pending = pin!(tokio::task::yield_now())
        .poll(&mut Context::from_waker(&waker))
        .is_pending();
    debug_assert!(pending, "yield_now was ready at once");
    !WOKEN.get()
}

fn flag_waker() -> Waker {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |_| RawWaker::new(std::ptr::null(), &VTABLE),
        |_| WOKEN.set(true),
        |_| WOKEN.set(true),
        |_| (),
    );
    // SAFETY: the vtable ignores its pointer; every function of it may be called from any thread at any time, since
    // all they do is to set a flag of the thread that calls them.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) }
}
