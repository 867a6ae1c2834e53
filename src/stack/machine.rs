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
use crate::panic::{Payload, caught};
use corosensei::stack::StackPointer;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::null;

/// What a C stack is to run: a function and its argument.
///
/// Whoever makes one promises that `run` may be called once with `argument`. It may unwind.
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
    /// The job has panicked; [`Stack::take_panic`] has the payload.
    Panicked,
    /// The job was suspended; it goes on with `switch(None)`.
    Asked,
}

/// The job to start, or null to go on with.
type Input = *const Job;

/// A C stack. Between two jobs it may go to another thread; in the midst of one it may not.
///
/// Dropped in the midst of a job, the stack and all that is on it are leaked: C frames are never unwound or skipped.
///
/// Boxed, because it changes hands twice a call and a pointer does so for less.
pub(crate) struct Stack(ManuallyDrop<Box<Parts>>);

struct Parts {
    coroutine: Coroutine<Input, Switch, (), Ground>,
    base: Base,
    suspended: bool,
    is_default: bool,
    /// Dropped after the coroutine that lives on it.
    region: Region,
}

// SAFETY: a coroutine is not `Send` because of what may lie on its stack. Between two jobs that is the loop in `Stack::new`
// and nothing else: no reference, no thread-local, no value of a user's. In the midst of a job, `switch` may be called
// only on the thread that started it, by contract, and dropping does not touch the stack.
unsafe impl Send for Stack {}

impl Stack {
    pub(super) fn new(size: Size) -> io::Result<Self> {
        let region = Region::new(size)?;
        let told = Cell::new(None);
        let tell = &raw const told;
        let mut coroutine = Coroutine::with_stack(Ground::of(&region), move |yielder, _| {
            // SAFETY: `told` outlives the first switch, which is the one that comes here.
            host(yielder, unsafe { &*tell });
        });
        let _primed = coroutine.resume(null());
        let base = told.get().expect("told by the first switch");
        gauge::STACKS.add(1);
        Ok(Self(ManuallyDrop::new(Box::new(Parts {
            coroutine,
            base,
            suspended: false,
            is_default: size == Size::DEFAULT,
            region,
        }))))
    }

    /// Runs `job` if one is given, else resumes the one that is suspended; until it suspends or returns.
    ///
    /// # Safety
    ///
    /// - A job is given exactly if none is suspended.
    /// - A suspended job is resumed on the thread that started it, while everything that it borrows is still there.
    #[inline]
    pub(crate) unsafe fn switch(&mut self, job: Option<&Job>) -> Switch {
        debug_assert_eq!(job.is_none(), self.0.suspended);
        let input = job.map_or(null(), std::ptr::from_ref);
        match self.0.coroutine.resume(input) {
            CoroutineResult::Yield(switch) => {
                self.0.suspended = switch == Switch::Asked;
                switch
            }
            // The loop is left only in `drop`.
            CoroutineResult::Return(()) => unreachable!("a kept coroutine has ended"),
        }
    }

    /// What suspends the jobs of this stack.
    #[inline]
    pub(crate) fn suspender(&self) -> Suspender {
        Suspender(self.0.base.yielder)
    }

    /// What the last job panicked with, after [`Switch::Panicked`].
    #[cold]
    pub(crate) fn take_panic(&mut self) -> Option<Payload> {
        debug_assert!(!self.0.suspended);
        // SAFETY: the cell lies in the frame of `host`, which is there as long as the stack; nobody else is using it, for the
        // coroutine waits.
        unsafe { &*self.0.base.panic }.take()
    }

    /// Whether this is a stack of the default size.
    #[inline]
    pub(super) fn is_default(&self) -> bool {
        self.0.is_default
    }

    pub(super) fn region(&self) -> &Region {
        &self.0.region
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.0.suspended {
            return;
        }
        gauge::STACKS.sub(1);
        let _ended = self.0.coroutine.resume(null());
        // SAFETY: dropped once, here, and not used afterwards. The coroutine has ended.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

/// Where things lie at the base of a C stack.
#[derive(Clone, Copy)]
struct Base {
    yielder: *const Yielder<Input, Switch>,
    panic: *const Cell<Option<Payload>>,
}

/// The coroutine: tells where its base is, then runs job after job until it is told to end.
///
/// One `catch_unwind` serves all jobs until one panics, so that the others do not pay for it.
fn host(yielder: &Yielder<Input, Switch>, tell: &Cell<Option<Base>>) {
    let panic = Cell::new(None);
    tell.set(Some(Base {
        yielder,
        panic: &raw const panic,
    }));
    let mut last = Switch::Done;
    while let Err(payload) = caught(|| run_jobs(yielder, last)) {
        panic.set(Some(payload));
        last = Switch::Panicked;
    }
}

fn run_jobs(yielder: &Yielder<Input, Switch>, mut last: Switch) {
    loop {
        let job = yielder.suspend(last);
        if job.is_null() {
            return;
        }
        // SAFETY: `switch` passes a pointer to a job that lives until it returns.
        let Job { run, argument } = unsafe { *job };
        // SAFETY: by the contract of `Job`.
        unsafe { run(argument) };
        last = Switch::Done;
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
