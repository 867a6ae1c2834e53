//! C stacks: where C runs, out of the way of the task's own.
//!
//! # Rules
//!
//! 1. A stack runs one job at a time: on one thread from the job's start to its end, unless it is a fiber's and whoever resumes it
//!    says that what is on it may move.
//! 2. A stack in the midst of a job is never unwound, reset or reused. If it can never be resumed it is leaked, with all
//!    that is on it.
//! 3. An idle stack holds nothing: it may go to another thread, and its memory may be given back.
//! 4. Below each stack lies a guard that nobody may touch; [`overflow`] says whose it was when somebody does.
//!
//! The parts: [`machine`] calls a function on a stack, [`fiber`] may leave it there; `slab` is the address space, `mapping` the
//! kernel, `class` the sizes, `cache` who keeps idle stacks, `exceptions` what C++ keeps for each thread.

mod cache;
mod class;
mod exceptions;
mod fiber;
mod machine;
mod mapping;
mod overflow;
mod slab;
mod symbol;

pub(crate) use cache::{Lent, acquire, lend, prepare_thread, release, tend};
pub(crate) use class::{DEFAULT_SIZE, MAX_SIZE};
pub(crate) use exceptions::Exceptions;
pub(crate) use fiber::{Fiber, Left, Suspender};

use crate::observe::gauge;
use crate::panic::Payload;
use class::Size;
use machine::Machine;
use slab::Region;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

/// What a C stack is to run: a function and its argument.
///
/// Whoever makes one promises that `run` may be called once with `argument`, and that it does not unwind.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) run: Run,
    pub(crate) argument: *mut (),
}

pub(crate) type Run = unsafe extern "C" fn(*mut ()) -> Outcome;

/// Whether a job has panicked: in a register, for it is asked of every job.
#[must_use]
#[repr(transparent)]
pub(crate) struct Outcome(Option<Box<Payload>>);

impl Outcome {
    pub(crate) const RETURNED: Self = Self(None);

    #[cold]
    pub(crate) fn panicked(payload: Payload) -> Self {
        Self(Some(Box::new(payload)))
    }

    #[inline(always)]
    pub(crate) fn has_returned(&self) -> bool {
        self.0.is_none()
    }

    #[cold]
    pub(crate) fn into_panic(self) -> Option<Payload> {
        self.0.map(|payload| *payload)
    }
}

/// A C stack, idle except while a job of its borrower's runs.
///
/// Boxed, so that a job can find it where it was.
pub(crate) struct Stack(Box<Parts>);

struct Parts {
    machine: Machine,
    region: Region,
}

impl Stack {
    fn new(size: Size) -> io::Result<Self> {
        let region = Region::new(size)?;
        gauge::STACKS.add(1);
        Ok(Self(Box::new(Parts {
            machine: Machine::new(&region),
            region,
        })))
    }

    /// Runs `job` to its end.
    ///
    /// # Safety
    ///
    /// The stack is idle. `job` may be run.
    #[inline(always)]
    pub(crate) unsafe fn run(&self, job: Job) -> Outcome {
        // SAFETY: by this function's contract.
        unsafe { self.0.machine.call(job) }
    }

    /// Makes a fiber of this stack, to run `job`, below a place for a `T` at the stack's base.
    ///
    /// So what is to be kept of the job needs no memory of its own, beside the page that every job touches.
    ///
    /// # Safety
    ///
    /// The stack is idle, runs nothing else while the fiber or the place is used, and is leaked if the fiber is dropped in the midst
    /// of its job. `job` may be run.
    pub(crate) unsafe fn fiber_below<T, In: 'static, Out: 'static>(
        &self,
        job: Job,
    ) -> (NonNull<T>, Fiber<In, Out>) {
        let region = &self.0.region;
        let place = region.base() - size_of::<T>().next_multiple_of(fiber::ALIGNMENT);
        const { assert!(align_of::<T>() <= fiber::ALIGNMENT) };
        // SAFETY: a region is a stack with a guard, and larger than any `T` by far; the rest is this function's contract.
        let fiber = unsafe { Fiber::new(place, region.limit(), job) };
        let place = NonNull::new(std::ptr::with_exposed_provenance_mut(place));
        (place.expect("nothing is mapped at zero"), fiber)
    }

    /// The stack that [`run`](Self::run) was called on, for the job.
    #[inline(always)]
    pub(crate) fn below(&self) -> Below {
        Below(NonNull::from(&self.0.machine))
    }

    /// Whether this is a stack of the default size.
    #[inline]
    fn is_default(&self) -> bool {
        self.region().size() == Size::DEFAULT
    }

    fn region(&self) -> &Region {
        &self.0.region
    }
}

// SAFETY: an idle stack is memory and nothing else. Whoever runs a job on one holds on to it until the job has returned; on which
// threads it runs is the business of `run` and of `Fiber::resume`.
unsafe impl Send for Stack {}

impl Drop for Stack {
    fn drop(&mut self) {
        gauge::STACKS.sub(1);
    }
}

/// The stack that has called a C stack.
#[derive(Clone, Copy)]
pub(crate) struct Below(NonNull<Machine>);

impl Below {
    /// Runs `job` there.
    ///
    /// # Safety
    ///
    /// The caller runs on the C stack that this was made from, under [`Stack::run`]. `job` may be run.
    #[inline(always)]
    pub(crate) unsafe fn run(self, job: Job) -> Outcome {
        // SAFETY: the stack is there, since we are on it.
        let machine = unsafe { self.0.as_ref() };
        // SAFETY: by this function's contract.
        unsafe { machine.call_below(job) }
    }

    /// Calls `f` there.
    ///
    /// # Safety
    ///
    /// The caller runs on the C stack that this was made from, under [`Stack::run`]. `f` does not unwind.
    pub(crate) unsafe fn call<R>(self, f: impl FnOnce() -> R) -> R {
        struct Errand<F, R> {
            f: ManuallyDrop<F>,
            result: MaybeUninit<R>,
        }
        /// # Safety
        ///
        /// `errand` points to an `Errand<F, R>` that has not been run.
        unsafe extern "C" fn run<F: FnOnce() -> R, R>(errand: *mut ()) -> Outcome {
            // SAFETY: by this function's contract; the caller waits for our return.
            let errand = unsafe { &mut *errand.cast::<Errand<F, R>>() };
            // SAFETY: run once, by this function's contract.
            let f = unsafe { ManuallyDrop::take(&mut errand.f) };
            errand.result.write(f());
            Outcome::RETURNED
        }
        fn job_of<F: FnOnce() -> R, R>(errand: &mut Errand<F, R>) -> Job {
            Job {
                run: run::<F, R>,
                argument: std::ptr::from_mut(errand).cast(),
            }
        }
        let mut errand = Errand {
            f: ManuallyDrop::new(f),
            result: MaybeUninit::uninit(),
        };
        let job = job_of(&mut errand);
        // SAFETY: by this function's contract; the errand stays in this frame.
        let _returned = unsafe { self.run(job) };
        // SAFETY: the job has returned, so the result is written.
        unsafe { errand.result.assume_init() }
    }
}
