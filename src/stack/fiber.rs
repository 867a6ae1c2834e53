//! The one file that names corosensei: a job that may be left in its midst, stack and all, and be resumed later.
//!
//! ```text
//!   the task's stack                   the C stack
//!   ────────────────                   ───────────
//!   resume(input) ───────────────────▶ job runs, calls C
//!   Left::Suspended(output) ◀──────── Suspender::suspend(output), in a callback that has to wait
//!   resume(input) ───────────────────▶ suspend returns input, C goes on
//!   Left::Returned(outcome) ◀──────── job has returned
//! ```
//!
//! A fiber is made for one job, which takes 22 to 36 ns (measured), and begins at an address that is the base of a stack to it:
//!
//! ```text
//!   base ─▶ ┌───────────────────────────┐
//!           │ the desk                  │   where the suspender finds the coroutine
//!           ├───────────────────────────┤
//!           │ corosensei's own words    │
//!           │ the job's frames, C       │
//! ```

use super::{Job, Outcome};
use corosensei::stack::StackPointer;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// How a fiber was left.
#[must_use]
pub(crate) enum Left<Out> {
    Suspended(Out),
    Returned(Outcome),
}

/// A job on a stack, which does not own the stack.
///
/// Dropped in the midst of its job it leaves all that is on the stack as it is, and the stack must not be used again.
pub(crate) struct Fiber<In, Out> {
    /// Not dropped before the job is done: that would unwind it.
    coroutine: ManuallyDrop<Coroutine<In, Out, Outcome, Bounds>>,
    desk: NonNull<Desk<In, Out>>,
}

impl<In: 'static, Out: 'static> Fiber<In, Out> {
    /// # Safety
    ///
    /// From `limit` up to `base`, the one page-aligned and the other a multiple of [`ALIGNMENT`], lies a stack that is idle and has a guard at its limit. It stays for
    /// as long as the fiber is used. `job` may be run.
    pub(super) unsafe fn new(base: usize, limit: usize, job: Job) -> Self {
        let desk_at = base - size_of::<Desk<In, Out>>().next_multiple_of(ALIGNMENT);
        let desk: *mut Desk<In, Out> = std::ptr::with_exposed_provenance_mut(desk_at);
        // SAFETY: within the stack, which is idle, and aligned as its base is.
        unsafe {
            desk.write(Desk {
                yielder: Cell::new(None),
            })
        };
        let desk = NonNull::new(desk).expect("nothing is mapped at zero");
        let bounds = Bounds {
            base: StackPointer::new(desk_at).expect("nothing is mapped at zero"),
            limit: StackPointer::new(limit).expect("nothing is mapped at zero"),
        };
        let Job { run, argument } = job;
        let coroutine = Coroutine::with_stack(bounds, move |yielder: &Yielder<In, Out>, _: In| {
            // SAFETY: the desk lies above this frame.
            unsafe { desk.as_ref() }
                .yielder
                .set(Some(NonNull::from(yielder)));
            // SAFETY: by the contract of `new`, and once.
            unsafe { run(argument) }
        });
        Self {
            coroutine: ManuallyDrop::new(coroutine),
            desk,
        }
    }

    /// Starts the job or goes on with it, until it suspends or returns. Of the job's start `input` is no part.
    ///
    /// # Safety
    ///
    /// The job has not returned. If it was started, that was on this thread, or what it left on the stack may be used on
    /// this one; and everything that it borrows is still there.
    #[inline]
    pub(crate) unsafe fn resume(&mut self, input: In) -> Left<Out> {
        match self.coroutine.resume(input) {
            CoroutineResult::Yield(output) => Left::Suspended(output),
            CoroutineResult::Return(outcome) => Left::Returned(outcome),
        }
    }

    /// What suspends the job.
    pub(crate) fn suspender(&self) -> Suspender<In, Out> {
        Suspender(self.desk)
    }
}

/// The largest alignment that a stack's base may have to have.
pub(super) const ALIGNMENT: usize = 64;

/// At the base of the stack.
struct Desk<In, Out> {
    /// There from the job's start.
    yielder: Cell<Option<NonNull<Yielder<In, Out>>>>,
}

/// Leaves a fiber from within.
pub(crate) struct Suspender<In, Out>(NonNull<Desk<In, Out>>);

impl<In, Out> Clone for Suspender<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Copy for Suspender<In, Out> {}

impl<In, Out> Suspender<In, Out> {
    /// Goes back to the stack below with `output`, until [`Fiber::resume`] comes with what is returned here.
    ///
    /// # Safety
    ///
    /// The caller runs on this suspender's stack, under the job.
    #[inline]
    pub(crate) unsafe fn suspend(self, output: Out) -> In {
        // SAFETY: by this function's contract.
        unsafe { self.yielder() }.suspend(output)
    }

    /// # Safety
    ///
    /// The caller runs on this suspender's stack, under the job.
    #[inline]
    unsafe fn yielder<'a>(self) -> &'a Yielder<In, Out> {
        // SAFETY: the desk lies at the base of the stack that we are on.
        let desk = unsafe { self.0.as_ref() };
        let yielder = desk.yielder.get().expect("set when the job began");
        // SAFETY: so does the yielder, as long as the job runs.
        unsafe { yielder.as_ref() }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(cede_portable))))]
impl Suspender<(), ()> {
    /// Runs `job` on the stack below, and returns when it has returned.
    ///
    /// # Safety
    ///
    /// The caller runs on this suspender's stack, under its job. `job` may be run; it does not use this suspender.
    pub(super) unsafe fn call_below(self, job: Job) -> Outcome {
        /// What stays on its thread.
        struct OneThread<T>(T);
        // SAFETY: the bound is there to keep the yielder from being used on the stack below, which this function's contract
        // forbids; the thread is the same.
        unsafe impl<T> Send for OneThread<T> {}
        impl OneThread<Job> {
            /// # Safety
            ///
            /// The job may be run.
            unsafe fn run(self) -> OneThread<Outcome> {
                // SAFETY: by this function's contract.
                OneThread(unsafe { (self.0.run)(self.0.argument) })
            }
        }
        let job = OneThread(job);
        // SAFETY: by this function's contract.
        let outcome = unsafe { self.yielder() }.on_parent_stack(move || {
            // SAFETY: by this function's contract.
            unsafe { job.run() }
        });
        outcome.0
    }
}

/// A stack as corosensei sees it.
struct Bounds {
    base: StackPointer,
    limit: StackPointer,
}

// SAFETY: a stack is at least 64 KiB with a guard at its limit, and stays as long as the fiber, by the contract of `new`.
unsafe impl corosensei::stack::Stack for Bounds {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }
}
