//! The one file that names corosensei: a stack with a coroutine on it that runs one job after the other.
//!
//! ```text
//!   the task's stack                      the C stack
//!   ────────────────                      ───────────
//!   switch(Some(job)) ──────────────────▶ job runs, calls C
//!                     ◀─ Switch::Asked ── Suspender::suspend, in a callback
//!   switch(None)      ──────────────────▶ suspend returns, C goes on
//!                     ◀─ Switch::Done ─── job has returned; the coroutine waits for the next one
//! ```
//!
//! The coroutine is kept: to run a job takes one switch there and one back, 2 to 4 ns each, where a new coroutine would
//! take 22 to 36 (measured, see the crate's benches).

use super::class::Size;
use super::slab::Region;
use crate::observe::gauge;
use corosensei::stack::StackPointer;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::null;

/// What a C stack is to run: a function and its argument.
///
/// Whoever makes one promises that `run` may be called once with `argument`, and that it does not unwind.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) run: unsafe fn(*mut ()),
    pub(crate) argument: *mut (),
}

/// Why control came back from a C stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// The job has returned.
    Done,
    /// The job was suspended; it goes on with `switch(None)`.
    Asked,
}

/// The job to start, or null to go on with.
type Input = *const Job;

/// A C stack. Between two jobs it may go to another thread; in the midst of one it may not.
///
/// Dropped in the midst of a job, the stack and all that is on it are leaked: C frames are never unwound or skipped.
pub(crate) struct Stack {
    coroutine: ManuallyDrop<Coroutine<Input, Switch, (), Ground>>,
    region: ManuallyDrop<Region>,
    suspender: Suspender,
    suspended: bool,
}

// SAFETY: a coroutine is not `Send` because of what may lie on its stack. Between two jobs that is the loop in `Stack::new`
// and nothing else: no reference, no thread-local, no value of a user's. In the midst of a job, `switch` may be called
// only on the thread that started it, by contract, and dropping does not touch the stack.
unsafe impl Send for Stack {}

impl Stack {
    pub(super) fn new(size: Size) -> io::Result<Self> {
        let region = Region::new(size)?;
        let told = Cell::new(null());
        let tell = &raw const told;
        let ground = Ground::of(&region);
        let mut coroutine = Coroutine::with_stack(ground, move |yielder: &Yielder<Input, Switch>, _| {
            // SAFETY: `told` outlives the first switch, which is the one that comes here.
            unsafe { &*tell }.set(std::ptr::from_ref(yielder));
            loop {
                let job = yielder.suspend(Switch::Done);
                if job.is_null() {
                    return;
                }
                // SAFETY: `switch` passes a pointer to a job that lives until it returns.
                let Job { run, argument } = unsafe { *job };
                // SAFETY: by the contract of `Job`.
                unsafe { run(argument) };
            }
        });
        let _primed = coroutine.resume(null());
        gauge::STACKS.add(1);
        Ok(Self {
            coroutine: ManuallyDrop::new(coroutine),
            region: ManuallyDrop::new(region),
            suspender: Suspender(told.get()),
            suspended: false,
        })
    }

    /// Runs `job` if one is given, else resumes the one that is suspended; until it suspends or returns.
    ///
    /// # Safety
    ///
    /// - A job is given exactly if none is suspended.
    /// - A suspended job is resumed on the thread that started it, while everything that it borrows is still there.
    #[inline]
    pub(crate) unsafe fn switch(&mut self, job: Option<&Job>) -> Switch {
        debug_assert_eq!(job.is_none(), self.suspended);
        let input = job.map_or(null(), std::ptr::from_ref);
        match self.coroutine.resume(input) {
            CoroutineResult::Yield(switch) => {
                self.suspended = switch == Switch::Asked;
                switch
            }
            // The loop is left only in `drop`.
            CoroutineResult::Return(()) => unreachable!("a kept coroutine has ended"),
        }
    }

    /// What suspends the jobs of this stack.
    #[inline]
    pub(crate) fn suspender(&self) -> Suspender {
        self.suspender
    }

    #[inline]
    pub(super) fn region(&self) -> &Region {
        &self.region
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.suspended {
            return;
        }
        gauge::STACKS.sub(1);
        let _ended = self.coroutine.resume(null());
        // SAFETY: dropped once, here, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.coroutine) };
        // SAFETY: as above, and the coroutine that lived on it is gone.
        unsafe { ManuallyDrop::drop(&mut self.region) };
    }
}

/// Leaves a C stack from within.
#[derive(Clone, Copy)]
pub(crate) struct Suspender(*const Yielder<Input, Switch>);

impl Suspender {
    /// Goes back to the task's stack, until [`Stack::switch`] resumes this one.
    ///
    /// # Safety
    ///
    /// The caller runs on this suspender's stack, under a job.
    #[inline]
    pub(crate) unsafe fn suspend(self) {
        // SAFETY: the yielder lies at the base of the stack that we are on.
        unsafe { &*self.0 }.suspend(Switch::Asked);
    }
}

/// A region as corosensei sees it.
struct Ground {
    base: StackPointer,
    limit: StackPointer,
}

impl Ground {
    fn of(region: &Region) -> Self {
        let pointer = |address| StackPointer::new(address).expect("nothing is mapped at zero");
        Self {
            base: pointer(region.base()),
            limit: pointer(region.limit()),
        }
    }
}

// SAFETY: a region is at least 64 KiB, page-aligned at both ends, with a guard at its limit; `Stack` keeps it until its
// coroutine is gone.
unsafe impl corosensei::stack::Stack for Ground {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }
}
