//! The task side of a callback: polling its future until C can have an answer.
//!
//! A future that is not ready at once leaves three ways:
//!
//! | the thread | the call | |
//! |---|---|---|
//! | drives a current-thread runtime or a `LocalSet` | suspendable | the call suspends: the task returns `Pending` |
//! | the same | plain, or on the thread's own stack | refused: to park would stop what the future waits for |
//! | anything else | any | the slot is handed off and the thread parks |

use super::asked::{Asked, Polled};
use crate::context::Context;
use crate::error::Refused;
use crate::observe;
use crate::slot::{Job, Marks, Reacquired, ThreadSlot, in_local_set};
use std::task::{self, Waker};

/// What the task side has for C.
pub(crate) enum Driven {
    Answered(Result<(), Refused>),
    /// Nothing yet: the task is to return `Pending`. The task's waker is registered.
    Suspend,
}

/// Polls until there is an answer, parking the thread if need be.
#[inline]
pub(crate) fn drive(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
) -> Result<(), Refused> {
    match poll(context, asked, context.parker().waker()) {
        Some(answer) => answer,
        None => wait(context, asked, thread),
    }
}

/// Polls with the task's own waker; suspends where the task cannot change threads, else goes on as [`drive`].
pub(crate) fn drive_or_suspend(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    task_waker: &Waker,
) -> Driven {
    match poll(context, asked, task_waker) {
        Some(answer) => Driven::Answered(answer),
        None if is_bound_to_thread(thread, Some(task_waker)) => Driven::Suspend,
        None => Driven::Answered(drive(context, asked, thread)),
    }
}

/// One poll. `None` if the future is not ready.
#[inline]
pub(crate) fn poll(context: &Context, asked: &Asked, waker: &Waker) -> Option<Result<(), Refused>> {
    match asked.poll(&mut task::Context::from_waker(waker)) {
        Polled::Ready => Some(Ok(())),
        Polled::Pending => None,
        Polled::Panicked(payload) => {
            observe::counter::PANICS.add(1);
            context.keep_panic(payload);
            Some(Err(Refused::Panicked))
        }
    }
}

/// Whether the running task is polled by this thread alone, which therefore must not be parked.
fn is_bound_to_thread(thread: Option<&ThreadSlot>, task_waker: Option<&Waker>) -> bool {
    match thread.map(ThreadSlot::job) {
        Some(Job::CurrentThread) => true,
        Some(Job::Worker) => false,
        Some(Job::WithoutSlot) | None => {
            let in_frame = thread.is_some_and(ThreadSlot::is_in_frame);
            !in_frame && task_waker.is_some_and(in_local_set)
        }
    }
}

#[cold]
fn wait(context: &Context, asked: &Asked, thread: Option<&ThreadSlot>) -> Result<(), Refused> {
    // SAFETY: we are within the poll that the call has announced.
    let task_waker = unsafe { context.task_waker() };
    if is_bound_to_thread(thread, task_waker) {
        return Err(Refused::WouldStarve);
    }
    let parker = context.parker();
    let mut answer = None;
    let mut park_and_poll = || {
        let marks = thread.and_then(ThreadSlot::marks);
        while answer.is_none() {
            // Parked is as good as in C: whoever has a slot that was not handed off may lose it.
            marks.inspect(|marks| marks.enter_c());
            parker.park();
            let _ = marks.map(Marks::enter_rust);
            answer = poll(context, asked, parker.waker());
        }
    };
    match thread {
        None => park_and_poll(),
        Some(thread) if thread.is_in_frame() => {
            thread.hand_off();
            park_and_poll();
        }
        Some(thread) => {
            if thread.cede_parked(&mut park_and_poll) == Reacquired::No {
                context.lose_slot();
            }
        }
    }
    answer.expect("the loop ends with an answer")
}
