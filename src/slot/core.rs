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
use crate::panic::{Payload, abort, caught, discard, never_unwinds};
use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use tokio::runtime::{Builder, EnterGuard, Handle};

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

/// How an attempt to run something without the core went.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It was run, and the core was taken back if it was still there.
    Ran,
    /// This thread's scheduler does not let its core go. It was not run.
    Declined,
    /// tokio panicked for another reason (a waker of somebody's that panics). It was not run, and the core may be gone.
    Failed,
}

/// Runs `body` without the core, and takes the core back afterwards if nobody else has.
///
/// Aborts if `body` unwinds, or if it leaves tokio's state on this thread in disorder: a frame that cannot be closed cannot
/// be left either, for there may be C below.
pub(super) fn without_core(way: &Way, body: &mut dyn FnMut()) -> Attempt {
    match way {
        Way::Cheap => {
            let given =
                DEAD.try_with(|dead| give_away(Some(dead.get_or_init(dead_handle).enter()), body));
            // The thread is at its end if there is no such handle any more.
            given.unwrap_or_else(|_| give_away(None, body))
        }
        Way::Arm(standby) => give_away(Some(standby.enter()), body),
        Way::Plain => give_away(None, body),
    }
}

fn give_away(entered: Option<EnterGuard<'_>>, body: &mut dyn FnMut()) -> Attempt {
    let began = Cell::new(false);
    let outcome = caught(|| {
        tokio::task::block_in_place(|| {
            began.set(true);
            // First of all: code in the frame must see the handle that was current outside it.
            drop(entered);
            never_unwinds("a frame was unwound", body);
        });
    });
    match outcome {
        Ok(()) => Attempt::Ran,
        Err(payload) if !began.get() => {
            let declined = is_refusal(&payload);
            discard(payload);
            if declined {
                Attempt::Declined
            } else {
                Attempt::Failed
            }
        }
        Err(_) => abort("tokio's state on this thread is not as a frame found it"),
    }
}

/// Whether this is how `block_in_place` declines on a current-thread scheduler.
fn is_refusal(payload: &Payload) -> bool {
    const MESSAGE: &str = "can call blocking only when running on the multi-threaded runtime";
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.is_some_and(|text| text.contains(MESSAGE))
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
