//! Callbacks: futures that C waits for, polled by the task that called C.
//!
//! ```text
//!   the task's stack                         the C stack
//!   Call::poll ── start ───────────────────▶ C ─▶ trampoline ─▶ callback(future)
//!                                                                 │  future pinned in this frame
//!       polls the future  ◀── Below::run(poll) ──────────────────┘
//!       in the task's own context
//!       answer ── return ───────────────────▶ callback returns the output
//! ```
//!
//! The task side is *called*, on the task's stack. Only a call that may be set aside is left by a switch instead
//! and resumed by one: a switch from the depth of C's frames makes the processor mispredict two returns, some 15 ns
//! (measured).
//!
//! # Rules
//!
//! 1. The future lies in the frame of [`callback`], on the C stack. The task side has a pointer to it from `ask`
//!    to the answer, and only then. Nothing is allocated.
//! 2. No panic crosses C: the future is polled and dropped under `catch_unwind`, on whichever side that happens.
//! 3. errno is what it was before the callback when C goes on.
//! 4. C may go on on another thread. Functions that find what is the thread's are never inlined into code that C stacks carry, and
//!    do not look for it again, nor use it, after a point where the stack may be left: here [`ask_by_leaving`]'s last lines, and
//!    the destructor of a user's future.
//! 5. Under an offloaded call the task is on another thread. A future goes there only with the function that drops it, and only
//!    the bounds of [`callback`] give one: every other future is refused.

mod drive;
pub(crate) mod parker;
pub(crate) mod typed;

pub(crate) use drive::{Driven, drive_or_suspend, poll_once};

use crate::asked::{Answer, Asked, Cell, Discard, Polled, Posted, discard};
use crate::context::{self, Away, Context, Ground, SteppedOut, WayOut};
use crate::errno::{self, Errno};
use crate::error::Refused;
use crate::here::{self, Here};
use crate::observe::{self, Seen, Tally};
use crate::panic::{Payload, never_unwinds};
use crate::slot::{FrameGuard, Marks, ThreadSlot, known_thread, with_tally, with_thread};
use crate::stack::Below;
use crate::watchdog;
use drive::{Drive, drive, panicked, wait};
use std::future::Future;
use std::ptr::NonNull;
use std::task::{self, Waker};
use tokio::task::coop;

/// Runs a future on the task that called C. To be called by Rust code under C: a trampoline, or the closure of a safe
/// wrapper (`rusqlite::create_scalar_function`, `curl`'s `write_function`, …).
///
/// Finds the [`call`](crate::call) or [offloaded](crate::offload()) call whose C frames are right below, and has its task poll `future`. Task-locals,
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
/// is bound to this thread, or [`migratable`](crate::Call::migratable). Otherwise the slot is handed off and the thread
/// parks until the future is ready: other
/// tasks go on, but futures polled by the *same* task (its siblings in a `join!` or `select!`) do not, so do not wait for
/// those. Once its slot is gone the callback runs on its thread beside as many tasks as there are workers; only the
/// end of the call takes a slot again.
///
/// Under an offloaded call the task is on another thread: it polls the future as part of awaiting the call, and this thread waits.
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
/// If the call is dropped while it is suspended, or is offloaded and dropped or cancelled, this returns [`Refused::Cancelled`].
#[inline]
pub fn callback<Fut>(future: Fut) -> Result<Fut::Output, Refused>
where
    Fut: Future + Send,
    Fut::Output: Send,
{
    run::<_, false>(future, Some(discard::<Fut>))
}

/// [`callback`] for a future that is not `Send`.
///
/// Under an [offloaded](crate::offload()) call, whose task is on another thread, it is refused, as under a
/// [`migratable`](crate::Call::migratable) one, which may change threads while the future is pending.
///
/// # Errors
///
/// As [`callback`], and [`Refused::NotLocal`].
#[inline]
pub fn callback_local<Fut: Future>(future: Fut) -> Result<Fut::Output, Refused> {
    run::<_, false>(future, None)
}

/// [`callback_local`] for who keeps errno already.
#[inline(always)]
fn run_local<Fut: Future>(_: &errno::Keep, future: Fut) -> Result<Fut::Output, Refused> {
    run::<_, true>(future, None)
}

/// Asks the task side. `discard` is for futures that may be polled and dropped on another thread, and only for those;
/// `ERRNO_IS_KEPT` for callers who see to that.
#[inline(always)]
fn run<Fut: Future, const ERRNO_IS_KEPT: bool>(
    future: Fut,
    discard: Option<Discard>,
) -> Result<Fut::Output, Refused> {
    let mut cell = Cell::Running(future);
    // SAFETY: the cell stays in this frame, untouched, until `ask` has returned; then nobody uses `asked` any more.
    let asked = unsafe { Asked::new(&mut cell) };
    match ask::<ERRNO_IS_KEPT>(asked, discard) {
        Ok(()) => Ok(cell.into_output()),
        Err(why) => Err(refuse(&mut cell, why)),
    }
}

#[inline(never)]
fn ask<const ERRNO_IS_KEPT: bool>(asked: Asked, discard: Option<Discard>) -> Answer {
    here::with(|here| ask_from::<ERRNO_IS_KEPT>(here, asked, discard))
}

#[inline(always)]
fn ask_from<const ERRNO_IS_KEPT: bool>(
    here: &Here,
    asked: Asked,
    discard: Option<Discard>,
) -> Answer {
    let context = context::current(here).ok_or(Refused::NoCall)?;
    if context.is_untouched() {
        return ask_in::<ERRNO_IS_KEPT>(here, context, asked, discard);
    }
    if let Some(why) = context.refusal() {
        return Err(why);
    }
    match context.seen() {
        None => ask_in::<ERRNO_IS_KEPT>(here, context, asked, discard),
        Some(seen) => ask_seen(here, context, seen, asked, discard),
    }
}

/// As [`ask_in`], of a call that somebody looks at.
#[cold]
#[inline(never)]
fn ask_seen(
    here: &Here,
    context: &Context,
    seen: &Seen,
    asked: Asked,
    discard: Option<Discard>,
) -> Answer {
    let errno = Errno::current();
    let was_exited = seen.begin_callback();
    errno.set();
    let answer = ask_in::<false>(here, context, asked, discard);
    // From here on the thread may be another one.
    let errno = Errno::current();
    seen.end_callback(was_exited);
    errno.set();
    answer
}

#[inline(always)]
fn ask_in<const ERRNO_IS_KEPT: bool>(
    here: &Here,
    context: &Context,
    asked: Asked,
    discard: Option<Discard>,
) -> Answer {
    if std::thread::panicking() {
        return Err(Refused::Panicking);
    }
    match context.ground() {
        Ground::CStack(below) => {
            let _errno = (!ERRNO_IS_KEPT).then(|| errno::Keep::on(false));
            ask_below(here, context, below, &asked)
        }
        Ground::ThreadStack => ask_on_top(here, context, &asked, context.task_waker()),
        Ground::Suspendable(way) => {
            // SAFETY: it is there as long as the context, which was found by the stack we are on.
            ask_by_leaving(here, context, unsafe { way.as_ref() }, asked, discard)
        }
        Ground::Elsewhere(away) => {
            let _errno = (!ERRNO_IS_KEPT).then(|| errno::Keep::on(false));
            ask_elsewhere(context, away, asked, discard)
        }
    }
}

/// Has the future polled on the stack below C's.
///
/// The poll is called from here, and what surrounds it is done here: calls that nest are many frames deep, and a processor
/// remembers some thirty return addresses.
#[inline(always)]
fn ask_below(here: &Here, context: &Context, below: Below, asked: &Asked) -> Answer {
    let thread = known_thread(here);
    if !thread.is_some_and(ThreadSlot::is_in_frame) {
        return ask_below_without_frame(here, context, below, asked, thread);
    }
    let _outside = Outside::enter(here, context, thread);
    let cx = &mut task::Context::from_waker(context.task_waker());
    // SAFETY: the context was found by the stack we are on; the cell is there by the contract of `Asked::new`.
    match asked.poll_by(cx, |job| unsafe { below.run(job) }) {
        Polled::Ready => Ok(()),
        Polled::Panicked(payload) => Err(panicked(context, payload)),
        Polled::Pending if !coop::has_budget_remaining() => {
            drive_below(context, below, asked, thread, drive)
        }
        Polled::Pending => drive_below(context, below, asked, thread, wait),
    }
}

/// As [`ask_below`]. That C goes on afterwards, no frame tells the watchdog, which may have gone to sleep meanwhile.
#[inline(never)]
fn ask_below_without_frame(
    here: &Here,
    context: &Context,
    below: Below,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
) -> Answer {
    let answer = {
        let _outside = Outside::enter(here, context, thread);
        drive_below(context, below, asked, thread, drive)
    };
    watchdog::rouse();
    answer
}

/// The rest of a callback, on the stack below C's.
#[cold]
#[inline(never)]
fn drive_below(
    context: &Context,
    below: Below,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    how: Drive,
) -> Answer {
    let drive = || drive_under_c(context, asked, thread, context.task_waker(), how);
    // SAFETY: the context was found by the stack we are on. `drive_under_c` does not unwind.
    unsafe { below.call(drive) }
}

/// Has the future polled on top of C's frames.
#[cold]
#[inline(never)]
fn ask_on_top(here: &Here, context: &Context, asked: &Asked, task_waker: &Waker) -> Answer {
    let _errno = errno::Keep::on(false);
    // The poll holds a stack that may be set aside.
    with_thread(|thread| {
        let answer = {
            let _outside = Outside::enter(here, context, thread);
            drive_under_c(context, asked, thread, task_waker, drive)
        };
        // As in `ask_below_without_frame`.
        watchdog::rouse();
        answer
    })
}

/// Leaves C's stack, for the task side to poll the future and to come back, perhaps on another thread.
#[cold]
#[inline(never)]
fn ask_by_leaving(
    here: &Here,
    context: &Context,
    way: &WayOut,
    asked: Asked,
    discard: Option<Discard>,
) -> Answer {
    if way.changes_threads() && discard.is_none() {
        return Err(Refused::NotLocal);
    }
    if !way.is_open(here) {
        let _errno = errno::Keep::on(false);
        observe::held(context.label());
        // SAFETY: we are in C.
        let task_waker = unsafe { way.task_waker() };
        return ask_on_top(here, context, &asked, task_waker);
    }
    let errno = Errno::current();
    // SAFETY: the context was found by the stack we are on, which is open; the cell stays in `run`'s frame.
    let answer = unsafe { way.leave(asked) };
    // From here on the thread may be another one: rule 4.
    errno.set();
    answer
}

/// Has the future polled by a task that runs on another thread.
#[cold]
#[inline(never)]
fn ask_elsewhere(
    context: &Context,
    away: NonNull<Away>,
    asked: Asked,
    discard: Option<Discard>,
) -> Answer {
    let discard = discard.ok_or(Refused::NotLocal)?;
    // SAFETY: the future and its output are `Send`, or there would be no `discard`, which is made for it; and the cell stays in
    // `run`'s frame until `ask` has returned.
    let posted = unsafe { Posted::new(asked, discard) };
    // SAFETY: it is there as long as the context.
    unsafe { away.as_ref() }.ask(context, posted)
}

/// The task side, called by the C side.
fn drive_under_c(
    context: &Context,
    asked: &Asked,
    thread: Option<&ThreadSlot>,
    task_waker: &Waker,
    how: Drive,
) -> Answer {
    // To unwind from here would skip C's frames, and end what C borrows while C is in the midst of it.
    never_unwinds("a callback was unwound", || {
        how(context, asked, thread, task_waker)
    })
}

/// The time in which a future is polled for C: the thread is outside of the call, and in Rust. Ends on drop.
#[must_use]
struct Outside<'a> {
    _context: SteppedOut<'a>,
    _frame: Option<FrameGuard<'a>>,
    marks: Option<Marks<'a>>,
}

impl<'a> Outside<'a> {
    #[inline(always)]
    fn enter(here: &'a Here, context: &Context, thread: Option<&'a ThreadSlot>) -> Self {
        let marks = thread.and_then(ThreadSlot::marks_in_c);
        // Lost or not: the callback runs on this thread, and only the end of the call takes a slot again.
        let _ = marks.map(Marks::enter_rust);
        if marks.is_none() {
            count_without_mark();
        }
        Self {
            _context: context.step_out(here),
            _frame: thread.map(|thread| thread.enter_frame(thread.frame().under_callback())),
            marks,
        }
    }
}

impl Drop for Outside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Nothing more, or else what is in here would have to lie in memory.
        self.marks.inspect(|marks| marks.enter_c_after_callback());
    }
}

#[cold]
#[inline(never)]
fn count_without_mark() {
    with_tally(Tally::callback_without_mark);
}

#[cold]
fn refuse<Fut: Future>(cell: &mut Cell<Fut>, why: Refused) -> Refused {
    let errno = Errno::current();
    let dropped = cell.finish_with(Cell::Gone);
    report(dropped.err(), why);
    errno.set();
    why
}

#[inline(never)]
fn report(panic: Option<Payload>, why: Refused) {
    context::with_current(|context| {
        if let Some(payload) = panic {
            observe::counter::PANICS.add(1);
            match context {
                Some(context) => context.keep_panic(payload),
                None => {
                    observe::panicked_outside();
                    crate::panic::discard(payload);
                }
            }
        }
        observe::refused(
            context.map(|context| context.label() as &dyn std::fmt::Display),
            why,
        );
    });
}
