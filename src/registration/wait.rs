//! How a thread that is in no call waits for a task of the registering runtime.
//!
//! | the thread | |
//! |---|---|
//! | C's own, a blocking thread, `block_on` of a multi-thread runtime | parks |
//! | a worker, whose task has called C without a `call` | hands its slot off, and parks |
//! | drives the registering runtime itself, a current-thread one | is refused: it would wait for what it does not do |

use crate::callback::parker;
use crate::error::Refused;
use crate::here;
use crate::slot::{Job, ThreadSlot, known_thread, with_thread};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::runtime::{Handle, RuntimeFlavor, worker_index};
use tokio::task::coop;

/// Starts what is to run on `runtime`, and blocks the calling thread until that is done.
pub(super) fn wait<F: Future>(
    runtime: &Handle,
    start: impl FnOnce() -> F,
) -> Result<F::Output, Refused> {
    let wait = |thread: Option<&ThreadSlot>| {
        if would_starve(runtime, thread) {
            return Err(Refused::WouldStarve);
        }
        Ok(park(thread, start()))
    };
    // Most threads that come here have no slot and never had. Frames hide the worker's index, and are known.
    if worker_index().is_some() {
        with_thread(wait)
    } else {
        here::with(|here| wait(known_thread(here)))
    }
}

fn would_starve(runtime: &Handle, thread: Option<&ThreadSlot>) -> bool {
    runtime.runtime_flavor() == RuntimeFlavor::CurrentThread
        && thread.is_some_and(|thread| thread.job() == Job::CurrentThread)
        && Handle::try_current().is_ok_and(|current| current.id() == runtime.id())
}

fn park<F: Future>(thread: Option<&ThreadSlot>, future: F) -> F::Output {
    // The budget of the task that is being polled here, if any, is not refilled before its poll ends: used up, it would have
    // the future pretend not to be ready, for ever.
    let mut future = pin!(coop::unconstrained(future));
    let poll = |cx: &mut Context<'_>| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    };
    parker::wait(thread, None, || {}, poll)
}
