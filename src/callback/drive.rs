//! The task side of a callback: polling its future until C can have an answer.
//!
//! A future that is not ready at once leaves three ways (a migratable call takes its own, which asks nothing of the thread):
//!
//! | the thread | the call | |
//! |---|---|---|
//! | any | migratable | the call suspends |
//! | drives a current-thread runtime or a `LocalSet` | suspendable | the call suspends: the task returns `Pending` |
//! | the same | plain, or on the thread's own stack | refused: to park would stop what the future waits for |
//! | anything else | any | the slot is handed off and the thread parks |

use super::parker;
use crate::asked::{Answer, Asked, Polled};
use crate::context::Context;
use crate::error::Refused;
use crate::observe::{self, Tally};
use crate::panic::Payload;
use crate::slot::{Job, ThreadSlot, in_local_set, in_task_without_worker, with_tally};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{self, Poll, Waker};
use tokio::task::coop;

/// One way to an answer.
pub(super) type Drive = fn(&Context, &Asked, Option<&ThreadSlot>, &Waker) -> Answer;

/// What the task side has for C.
pub(crate) enum Driven {
    Answered(Answer),
    /// Nothing yet: the task is to return `Pending`. The task's waker is registered.
    Suspend,
}

/// Polls until there is an answer, parking the thread if need be. `task_waker` is that of the poll that C runs in.
///
/// The first poll is with the task's own waker: most futures are ready, and have no use for another. One that is not is
/// polled once more, with a waker that wakes the thread, before the thread parks.
#[inline]
pub(super) fn drive(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    task_waker: &Waker,
) -> Answer {
    drive_or(context, asked, thread, task_waker, wait)
}

#[inline(always)]
fn drive_or(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    task_waker: &Waker,
    otherwise: Drive,
) -> Answer {
    let _bound = BoundGuard::note(thread, task_waker);
    let cx = &mut task::Context::from_waker(task_waker);
    match poll(context, asked, cx) {
        Some(answer) => answer,
        None => otherwise(context, asked, thread, task_waker),
    }
}

/// As [`drive`], but suspends where the task cannot change threads.
pub(crate) fn drive_or_suspend(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    cx: &mut task::Context<'_>,
) -> Driven {
    match poll_once(context, asked, cx) {
        Some(answer) => Driven::Answered(answer),
        None if may_suspend(thread) => Driven::Suspend,
        None => {
            let answer = drive_or(context, asked, thread, cx.waker(), stay);
            with_tally(Tally::callback_waited);
            Driven::Answered(answer)
        }
    }
}

/// One poll for a thread that stays with the call until it is done.
///
/// The callbacks of a call share one poll of the task, and with it tokio's cooperative budget, which is refilled only when
/// that poll ends: used up, it would have a future that is ready pretend not to be, for ever. So it is taken off here.
#[inline]
fn poll(context: &Context, asked: &Asked, cx: &mut task::Context<'_>) -> Option<Answer> {
    let once = poll_fn(|cx| Poll::Ready(poll_once(context, asked, cx)));
    match pin!(coop::unconstrained(once)).poll(cx) {
        Poll::Ready(answer) => answer,
        Poll::Pending => None,
    }
}

/// One poll. `None` if the future is not ready.
#[inline]
pub(crate) fn poll_once(
    context: &Context,
    asked: &Asked,
    cx: &mut task::Context<'_>,
) -> Option<Answer> {
    match asked.poll(cx) {
        Polled::Ready => Some(Ok(())),
        Polled::Pending => None,
        Polled::Panicked(payload) => Some(Err(panicked(context, payload))),
    }
}

#[cold]
pub(super) fn panicked(context: &Context, payload: Payload) -> Refused {
    observe::counter::PANICS.add(1);
    context.keep_panic(payload);
    observe::callback_panicked(context.label());
    Refused::Panicked
}

/// Whether a call may be set aside here: what polls it keeps to this thread.
///
/// Asks less than [`is_bound_to_thread`]: a task's waker may be hidden from us (by `FuturesUnordered`, say), and to suspend does
/// no harm where nothing else runs on the thread.
fn may_suspend(thread: Option<&ThreadSlot>) -> bool {
    match thread.map(ThreadSlot::job) {
        Some(Job::CurrentThread) => true,
        Some(Job::Worker) => false,
        Some(Job::WithoutSlot) | None => keeps_to_tasks(thread) && in_task_without_worker(),
    }
}

/// Whether the running task is polled by this thread alone, which therefore must not be parked.
fn is_bound_to_thread(thread: Option<&ThreadSlot>, task_waker: &Waker) -> bool {
    match thread.map(ThreadSlot::job) {
        Some(Job::CurrentThread) => true,
        Some(Job::Worker) => false,
        Some(Job::WithoutSlot) | None => {
            keeps_to_tasks(thread) && (BOUND.get() || in_local_set(task_waker))
        }
    }
}

/// Whether a task that runs on this thread without a slot can be none of a worker's: one that is polled inside a frame, or by
/// hand inside a `block_in_place`, changes threads.
#[inline]
fn keeps_to_tasks(thread: Option<&ThreadSlot>) -> bool {
    !thread.is_some_and(|thread| thread.is_in_frame() || thread.has_been_worker())
}

thread_local! {
    /// Whether a callback of a `LocalSet`'s task is being polled, perhaps with a waker that does not tell.
    static BOUND: Cell<bool> = const { Cell::new(false) };
}

/// Restores what was noted before on drop.
#[must_use]
struct BoundGuard(bool);

impl BoundGuard {
    #[inline]
    fn note(thread: Option<&ThreadSlot>, task_waker: &Waker) -> Option<Self> {
        let is_bound = keeps_to_tasks(thread) && in_local_set(task_waker);
        is_bound.then(|| Self(BOUND.replace(true)))
    }
}

impl Drop for BoundGuard {
    fn drop(&mut self) {
        BOUND.set(self.0);
    }
}

/// For a future that was not ready at its first poll.
#[cold]
pub(super) fn wait(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    task_waker: &Waker,
) -> Answer {
    let answer = stay(context, asked, thread, task_waker);
    with_tally(Tally::callback_waited);
    answer
}

/// Parks the thread, if that is possible.
#[cold]
fn stay(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    task_waker: &Waker,
) -> Answer {
    if is_bound_to_thread(thread, task_waker) {
        return Err(Refused::WouldStarve);
    }
    parker::wait(
        thread,
        Some(context.label()),
        || observe::callback_pending(context.label(), "its thread parks"),
        |cx| poll(context, asked, cx),
    )
}
