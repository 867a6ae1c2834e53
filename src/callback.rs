//! Callbacks: futures that C waits for, polled by the task that called C.
//!
//! ```text
//!   the task's stack                         the C stack
//!   Call::poll ── start ───────────────────▶ C ─▶ trampoline ─▶ callback(future)
//!                                                                 │  future pinned in this frame
//!       polls the future  ◀── on_task_stack(Asked) ──────────────┘
//!       in the task's own context
//!       answer ── return ───────────────────▶ callback returns the output
//! ```
//!
//! The task side is *called*, on the task's stack. Only a call that may be set aside is left by a switch instead
//! (`suspend_for`) and resumed by one: a switch from the depth of C's frames makes the processor mispredict two returns,
//! some 15 ns (measured).
//!
//! # Rules
//!
//! 1. The future lies in the frame of [`callback`], on the C stack. The task side has a pointer to it from `ask`
//!    to the answer, and only then. Nothing is allocated.
//! 2. No panic crosses C: the future is polled and dropped under `catch_unwind`, on whichever side that happens.
//! 3. errno is what it was before the callback when C goes on.

mod asked;
mod drive;
mod parker;

pub(crate) use asked::Asked;
pub(crate) use drive::{Driven, drive, drive_or_suspend, poll_once};

use crate::context::{self, Context, Ground};
use crate::errno;
use crate::error::Refused;
use crate::observe;
use crate::panic::never_unwinds;
use crate::slot::{Marks, ThreadSlot, with_thread};
use asked::Cell;
use std::future::Future;
use std::ptr::NonNull;
use std::task::{self, Waker};

/// Runs a future on the task that called C. To be called by Rust code under C: a trampoline, or the closure of a safe
/// wrapper (`rusqlite::create_scalar_function`, `curl`'s `write_function`, …).
///
/// Finds the [`call`](crate::call) whose C frames are right below, and has its task poll `future`. Task-locals,
/// `tokio::task::id()` and the entered span are the task's own. Returns the output once there is one.
///
/// ```
/// use std::time::Duration;
///
/// extern "C" fn compare(a: *const libc::c_void, b: *const libc::c_void) -> i32 {
///     let (a, b) = unsafe { (*a.cast::<i32>(), *b.cast::<i32>()) };
///     let order = cede::callback(async move {
///         tokio::time::sleep(Duration::from_millis(1)).await;
///         a.cmp(&b) as i32
///     });
///     order.unwrap_or(0)
/// }
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().worker_threads(1).build().unwrap();
/// # runtime.block_on(async { tokio::spawn(async {
/// let mut numbers = [3, 1, 2];
/// cede::call(|| unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 3, 4, Some(compare)) }).await;
/// assert_eq!(numbers, [1, 2, 3]);
/// # }).await.unwrap(); });
/// ```
///
/// # Waiting
///
/// A future that is not ready at once suspends the call if it is [`suspendable`](crate::Call::suspendable) and its task
/// is bound to this thread. Otherwise the slot is handed off and the thread parks until the future is ready: other
/// tasks go on, but futures polled by the *same* task (its siblings in a `join!` or `select!`) do not, so do not wait for
/// those. Once its slot is gone the callback runs on its thread beside as many tasks as there are workers; only the
/// end of the call takes a slot again.
///
/// # Errors
///
/// [`Refused`] if the future cannot be run or has panicked; see there. The future is dropped. Whoever calls this turns
/// a refusal into what the C library takes for an error.
///
/// # Panics
///
/// Never. A panic of the future is kept, refuses this callback and every later one of the call, and is raised from the
/// awaited call when C has returned.
///
/// # Cancellation
///
/// If the call is dropped while it is suspended, this returns [`Refused::Cancelled`].
pub fn callback<Fut>(future: Fut) -> Result<Fut::Output, Refused>
where
    Fut: Future + Send,
    Fut::Output: Send,
{
    run(future)
}

/// [`callback`] for a future that is not `Send`.
///
/// Every call there is now keeps to its thread, so this never refuses with [`Refused::NotLocal`]; calls that may change
/// threads will.
///
/// # Errors
///
/// As [`callback`].
pub fn callback_local<Fut: Future>(future: Fut) -> Result<Fut::Output, Refused> {
    run(future)
}

#[inline]
fn run<Fut: Future>(future: Fut) -> Result<Fut::Output, Refused> {
    let _errno = errno::Keep::new();
    let mut cell = Cell::Running(future);
    // SAFETY: the cell stays in this frame, untouched, until `ask` has returned; then nobody uses `asked` any more.
    let asked = unsafe { Asked::new(&mut cell) };
    match context::with_current(|context| ask(context, asked)) {
        Ok(()) => Ok(cell
            .into_output()
            .expect("an answered future has an output")),
        Err(why) => Err(refuse(&mut cell, why)),
    }
}

#[inline]
fn ask(context: Option<&Context>, asked: Asked) -> Result<(), Refused> {
    let context = context.ok_or(Refused::NoCall)?;
    if let Some(why) = context.refusal() {
        return Err(why);
    }
    if std::thread::panicking() {
        return Err(Refused::Panicking);
    }
    match context.ground() {
        Ground::CStack(suspender, task_waker) => {
            // SAFETY: the waker outlives the poll that C runs in, and C has not returned.
            let drive = || unsafe { drive_under_c(context, &asked, task_waker) };
            // SAFETY: the context was found by the stack we are on. While `drive` runs it is not found, nor is its suspender.
            unsafe { suspender.on_task_stack(drive) }
        }
        // SAFETY: as above.
        Ground::ThreadStack(task_waker) => unsafe { drive_under_c(context, &asked, task_waker) },
        // SAFETY: the context was found by the stack we are on; the cell stays in `run`'s frame.
        Ground::Suspendable(suspender) => unsafe { context.suspend_for(asked, suspender) },
    }
}

/// The task side, called by the C side.
///
/// # Safety
///
/// The waker is there until this returns.
#[inline]
unsafe fn drive_under_c(
    context: &Context,
    asked: &Asked,
    task_waker: NonNull<Waker>,
) -> Result<(), Refused> {
    // SAFETY: by this function's contract.
    let cx = &mut task::Context::from_waker(unsafe { task_waker.as_ref() });
    with_thread(|thread| {
        let _outside = context.step_out();
        let marks = thread.and_then(ThreadSlot::marks_in_c);
        let _ = marks.map(Marks::enter_rust);
        // To unwind from here would skip C's frames, and end what C borrows while C is in the midst of it.
        let answer = never_unwinds("a callback was unwound", || {
            drive(context, asked, thread, cx)
        });
        marks.inspect(|marks| marks.enter_c());
        answer
    })
}

#[cold]
fn refuse<Fut: Future>(cell: &mut Cell<Fut>, why: Refused) -> Refused {
    let dropped = cell.finish_with(Cell::Gone);
    context::with_current(|context| {
        if let Err(payload) = dropped {
            match context {
                Some(context) => context.keep_panic(payload),
                None => crate::panic::discard(payload),
            }
        }
        observe::refused(
            context.map(|context| context.label() as &dyn std::fmt::Display),
            why,
        );
    });
    why
}
