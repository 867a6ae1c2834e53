//! The one file that names corosensei: a stack with a coroutine on it that runs one job after the other.
//!
//! ```text
//!   the task's stack                      the C stack
//!   ────────────────                      ───────────
//!   start(job) ─────────────────────────▶ job runs, calls C
//!                        f ◀── call ───── Suspender::on_task_stack, in a callback
//!                          ── return ───▶ C goes on
//!              ◀──────── Switch::Asked ── Suspender::suspend, in a callback that may have to wait
//!   resume()   ─────────────────────────▶ suspend returns, C goes on
//!              ◀──────── Switch::Done ─── job has returned; the coroutine waits for the next one
//! ```
//!
//! The coroutine is kept: to run a job takes one switch there and one back, 5 to 7 ns together, where to make a new
//! coroutine takes 22 to 36 (both measured).

use super::class::Size;
use super::slab::Region;
use crate::observe::gauge;
use crate::panic::{Payload, caught};
use corosensei::stack::StackPointer;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

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
    /// The job was suspended; it goes on with [`Stack::resume`].
    Asked,
}

/// A C stack. Between two jobs it may go to another thread; in the midst of one it may not.
///
/// Dropped in the midst of a job, the stack and all that is on it are leaked: C frames are never unwound or skipped.
///
/// Boxed, because it changes hands twice a call and a pointer does so for less.
pub(crate) struct Stack(ManuallyDrop<Box<Parts>>);

struct Parts {
    /// What it is to do lies at its base: a switch that carries nothing but a verdict keeps to registers.
    coroutine: Coroutine<(), Switch, (), Ground>,
    /// In the frame of `host`, which is there as long as the coroutine.
    desk: NonNull<Desk>,
    is_default: bool,
    /// Dropped after the coroutine that lives on it.
    region: Region,
}

// SAFETY: a coroutine is not `Send` because of what may lie on its stack. Between two jobs that is the loop in `Stack::new`
// and nothing else: no reference, no thread-local, no value of a user's. In the midst of a job, `resume` may be called
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
        let _primed = coroutine.resume(());
        let desk = told.get().expect("told by the first switch");
        gauge::STACKS.add(1);
        Ok(Self(ManuallyDrop::new(Box::new(Parts {
            coroutine,
            desk,
            is_default: size == Size::DEFAULT,
            region,
        }))))
    }

    /// Runs `job` until it suspends or returns.
    ///
    /// # Safety
    ///
    /// No job is suspended; this one may be run.
    #[inline]
    pub(crate) unsafe fn start(&mut self, job: Job) -> Switch {
        debug_assert!(!self.desk().suspended.get());
        self.desk().job.set(Some(job));
        self.switch()
    }

    /// Resumes the suspended job until it suspends again or returns.
    ///
    /// # Safety
    ///
    /// A job is suspended; it was started on this thread, and everything that it borrows is still there.
    #[inline]
    pub(crate) unsafe fn resume(&mut self) -> Switch {
        debug_assert!(self.desk().suspended.get());
        self.switch()
    }

    #[inline(always)]
    fn switch(&mut self) -> Switch {
        match self.0.coroutine.resume(()) {
            CoroutineResult::Yield(switch) => switch,
            // The loop is left only in `drop`.
            CoroutineResult::Return(()) => unreachable!("a kept coroutine has ended"),
        }
    }

    /// What suspends the jobs of this stack.
    #[inline]
    pub(crate) fn suspender(&self) -> Suspender {
        Suspender(self.0.desk)
    }

    /// What the last job panicked with, after [`Switch::Panicked`].
    #[cold]
    pub(crate) fn take_panic(&mut self) -> Option<Payload> {
        debug_assert!(!self.desk().suspended.get());
        self.desk().panic.take()
    }

    #[inline]
    fn desk(&self) -> &Desk {
        // SAFETY: the desk is there as long as the stack; it is shared by way of cells, and the coroutine waits.
        unsafe { self.0.desk.as_ref() }
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
        if self.desk().suspended.get() {
            return;
        }
        gauge::STACKS.sub(1);
        self.desk().job.set(None);
        let _ended = self.0.coroutine.resume(());
        // SAFETY: dropped once, here, and not used afterwards. The coroutine has ended.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

/// At the base of a C stack: where the two sides leave things for each other.
struct Desk {
    yielder: NonNull<Yielder<(), Switch>>,
    /// Whether a job is suspended. Set by the job's side, so that a job which is never suspended does not pay for it.
    suspended: Cell<bool>,
    /// What to run next; nothing to end.
    job: Cell<Option<Job>>,
    /// What the last job panicked with.
    panic: Cell<Option<Payload>>,
}

/// The coroutine: tells where its desk is, then runs job after job until it is told to end.
///
/// One `catch_unwind` serves all jobs until one panics, so that the others do not pay for it.
fn host(yielder: &Yielder<(), Switch>, tell: &Cell<Option<NonNull<Desk>>>) {
    let desk = Desk {
        yielder: NonNull::from(yielder),
        suspended: Cell::new(false),
        job: Cell::new(None),
        panic: Cell::new(None),
    };
    tell.set(Some(NonNull::from(&desk)));
    let mut last = Switch::Done;
    while let Err(payload) = caught(|| run_jobs(yielder, &desk, last)) {
        desk.panic.set(Some(payload));
        last = Switch::Panicked;
    }
}

fn run_jobs(yielder: &Yielder<(), Switch>, desk: &Desk, mut last: Switch) {
    loop {
        yielder.suspend(last);
        let Some(Job { run, argument }) = desk.job.get() else {
            return;
        };
        // SAFETY: by the contract of `Job`; `start` wants a new one each time.
        unsafe { run(argument) };
        last = Switch::Done;
    }
}

/// Leaves a C stack from within.
#[derive(Clone, Copy)]
pub(crate) struct Suspender(NonNull<Desk>);

impl Suspender {
    /// Goes back to the task's stack, until [`Stack::resume`] resumes this one.
    ///
    /// # Safety
    ///
    /// The caller runs on this suspender's stack, under a job.
    #[inline]
    pub(crate) unsafe fn suspend(self) {
        // SAFETY: the desk lies at the base of the stack that we are on.
        let desk = unsafe { self.0.as_ref() };
        desk.suspended.set(true);
        // SAFETY: so does the yielder.
        unsafe { desk.yielder.as_ref() }.suspend(Switch::Asked);
        desk.suspended.set(false);
    }

    /// Calls `f` on the stack below, the one that has started or resumed this one, and comes back.
    ///
    /// # Safety
    ///
    /// The caller runs on this suspender's stack, under a job. `f` does not use this suspender.
    #[inline]
    pub(crate) unsafe fn on_task_stack<R>(self, f: impl FnOnce() -> R) -> R {
        /// What stays on its thread.
        struct OneThread<F>(F);
        // SAFETY: the bound is there to keep the yielder from being used on the stack below, which `on_task_stack` forbids;
        // the thread is the same.
        unsafe impl<F> Send for OneThread<F> {}
        impl<F: FnOnce() -> R, R> OneThread<F> {
            #[inline]
            fn run(self) -> R {
                (self.0)()
            }
        }
        let f = OneThread(f);
        // SAFETY: the desk lies at the base of the stack that we are on.
        let desk = unsafe { self.0.as_ref() };
        // SAFETY: so does the yielder.
        unsafe { desk.yielder.as_ref() }.on_parent_stack(move || f.run())
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
