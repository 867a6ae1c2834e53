//! Scopes: many calls in one poll share one frame.

use crate::here;
use crate::slot::{Frame, ThreadSlot, with_thread};
use crate::stack;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// Runs a future whose calls share the cost of ceding.
///
/// A [`call`](crate::call()) by itself cedes and re-acquires the slot around its C, which costs 300 to 500 ns. In a
/// scope this is done once a poll, and a call costs about 12 ns (measured, see the crate's benches). Worth it for a task that makes
/// many short calls; harmless for others.
///
/// # What is different inside
///
/// From the first call of a poll to its end the future runs without tokio's core:
///
/// - The slot is still the task's own, until a call lasts and the monitor takes it. The task is then put back into the run
///   queue when that call has returned.
/// - Tasks that are spawned go to the shared queue instead of the worker's own.
/// - `block_in_place` gives nothing away, since it has nothing, and `block_on` is not refused. Code that blocks the
///   thread in one of these ways keeps the slot until the monitor takes it, after about 10 ms.
/// - A thread that comes back from C late, having lost its slot to the one that runs the scope, may take the core from under
///   the scope's frame. Both then poll until the scope's poll ends: for that long one task more than there are workers is
///   polled. Outside scopes this does not happen.
/// - tokio's cooperative budget is off. The scope yields after some 128 calls in one poll instead; while they take next to no
///   time (256 of them less than 20 µs), after some 200 µs of calls. A callback counts as a call.
///
/// On a thread that has no slot to cede, a scope only polls its future.
///
/// # Cancellation and panics
///
/// As for the future by itself. If the slot is lost in the very poll that completes it, the output is delivered by the
/// next poll, and dropped if there is none.
pub fn scope<F: Future>(future: F) -> Scope<F> {
    Scope {
        future,
        output: None,
        opens_frame: false,
    }
}

/// Spawns a task whose calls share the cost of ceding: `tokio::spawn(cede::scope(future))`.
///
/// # Panics
///
/// Outside of a tokio runtime, like [`tokio::spawn`].
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(scope(future))
}

/// A future whose calls share frames. Made by [`scope`], which says what it does.
#[must_use = "futures do nothing unless polled"]
pub struct Scope<F: Future> {
    /// Pinned with the scope.
    future: F,
    /// An output that waits for a poll that has a slot. Not pinned.
    output: Option<F::Output>,
    /// Whether to open a frame without being asked, because the last poll made calls.
    opens_frame: bool,
}

// The future alone is pinned with the scope.
impl<F: Future + Unpin> Unpin for Scope<F> {}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is not moved out, and moved on only behind the pin below; `output` is never pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if let Some(output) = this.output.take() {
            return Poll::Ready(output);
        }
        // SAFETY: pinned as part of `self`.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        with_thread(|thread| match thread {
            Some(thread) if thread.frame() == Frame::None => {
                poll_in_frame(thread, future, &mut this.output, &mut this.opens_frame, cx)
            }
            // Under a callback or in another scope's frame there is one already.
            _ => future.poll(cx),
        })
    }
}

fn poll_in_frame<F: Future>(
    thread: &ThreadSlot,
    mut future: Pin<&mut F>,
    output: &mut Option<F::Output>,
    opens_frame: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    if !*opens_frame {
        thread.begin_scope_poll(cx.waker());
        let _offer = thread.enter_frame(Frame::ScopeOffers);
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() || thread.frame() != Frame::ScopeAsked {
            return polled;
        }
    }
    // A poll of its own: a call that was put off to ask for the frame has not had its turn by that.
    thread.begin_scope_poll(cx.waker());
    let mut polled = Poll::Pending;
    let losses = thread.losses();
    thread.cede(Frame::Scope, None, &mut || {
        polled = future.as_mut().poll(cx);
        *opens_frame = thread.frame() != Frame::Scope || thread.has_made_calls();
    });
    here::with(stack::tend);
    if thread.take_yield() && polled.is_pending() {
        // Wakes the task after timers and I/O have had their turn.
        let _pending = pin!(tokio::task::yield_now()).poll(cx);
    }
    match polled {
        Poll::Ready(value) if thread.losses() != losses => {
            *output = Some(value);
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        polled => polled,
    }
}

impl<F: Future> fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
