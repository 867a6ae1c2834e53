//! Calls: C run in place, on the thread that polls, its slot ceded.

mod core;
mod future_ext;
mod home;
mod limited;
mod observed;
mod run;
mod scope;
mod set_aside;
mod start;
mod suspendable;

pub use future_ext::FutureExt;
pub use scope::{Scope, scope, spawn};

use self::core::{Core, Progress};
use crate::errno::{self, CReturn, Errno};
use crate::here;
use crate::label::{GroundKind, Label, Manner, Mode};
use crate::panic::caught;
use crate::stack::{self, Job, MAX_SIZE, Outcome};
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs C: awaits `f`, a closure that calls blocking C functions.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// # runtime.block_on(async { tokio::spawn(async {
/// let slept = cede::call(|| unsafe { libc::usleep(1000) }).await;
/// assert_eq!(slept, 0);
/// # }).await.unwrap(); });
/// ```
///
/// # Thread and blocking
///
/// `f` runs within the poll, on the polling thread, on a C stack of its own, and may borrow. On a worker of a multi-thread
/// runtime the worker's slot is ceded: if C takes longer than the monitor's patience (about 75 µs when the process
/// was quiet, up to 2 ms amid short calls, see the crate's benches), another thread takes the slot and the other tasks go on.
/// Futures of the *same* task do not: siblings in a `join!` wait until C has returned. On a current-thread runtime or in a
/// `LocalSet` there is no other worker, and everything on that thread waits (logged once).
///
/// If the slot was taken, the task goes back to the run queue when C has returned, and gets its result when it is polled
/// again.
///
/// # Callbacks
///
/// Rust code under C runs futures with [`callback`](crate::callback()).
///
/// # Cancellation
///
/// C runs exactly once if the future is polled, and not at all if it is not. Dropping the future, `select!`,
/// `timeout` and `abort` have no effect before C has returned, since the poll does not return. If the future is
/// dropped between C's return and the poll that would have delivered it, the result is dropped: return owning types. So a
/// `select!` beside a call looks at its other branches when C has returned, and if one of them is ready then it may win, and what C has
/// returned is lost. C that is to have a deadline is [offloaded](crate::offload()).
/// For calls that are [`suspendable`](Call::suspendable) or [`migratable`](Call::migratable) see there.
///
/// # Panics
///
/// A panic of `f` or of a callback is raised from the `await` when C has returned. The poll panics if no C stack can
/// be mapped, and says which limit was reached; C has not run then.
///
/// # Shutdown
///
/// `Runtime::drop` waits until C has returned, as it does for any task that is being polled; `shutdown_timeout` waits no
/// longer than it is told.
#[track_caller]
pub fn call<F, R>(f: F) -> Call<F, R>
where
    F: FnOnce() -> R,
{
    let label = Label::here(Manner::in_place(stack::DEFAULT_SIZE));
    Call {
        core: Core::new(label),
        work: Work::Due(f),
        _pinned: PhantomPinned,
    }
}

/// A future that runs C. Made by [`call`], which says what it does; the methods here change how.
///
/// `Send` if the closure and its result are: a task may move to another thread before C starts and after it has
/// returned; in between only if the call is [`migratable`](Self::migratable).
#[must_use = "C does not run unless the call is awaited"]
pub struct Call<F, R> {
    // Dropped before `work`, which C may still refer to while a suspended call is cancelled.
    core: Core,
    work: Work<F, R>,
    _pinned: PhantomPinned,
}

/// The closure until it is run, its outcome until it is delivered.
enum Work<F, R> {
    Due(F),
    /// The closure is gone, and there is no outcome, or none any more.
    Spent,
    Done(R),
}

impl<F, R> Call<F, R>
where
    F: FnOnce() -> R,
{
    /// Names the call in messages, spans and metrics. Use the C function's name.
    pub fn named(mut self, name: &'static str) -> Self {
        self.core.label().name = Some(name);
        self
    }

    /// The size of the C stack, in bytes; 2 MiB if not set.
    ///
    /// Rounded up to 64 KiB, 256 KiB, 2 MiB or 8 MiB (zero to the smallest); more than that is mapped for this call alone. It
    /// is address space: memory is committed when C touches it. Measured use of some libraries: SQLite 15 KiB,
    /// `getaddrinfo` 20 KiB, curl with TLS 18 KiB, libgit2 78 KiB, the Lua test suite 406 KiB, glibc's `regcomp` 2 MiB. A signal
    /// handler needs 12 KiB on top with AVX-512.
    ///
    /// C that runs off its stack hits a guard: a message on stderr names the call, and the process dies by `SIGSEGV`.
    ///
    /// # Panics
    ///
    /// If `bytes` is more than 1 GiB.
    #[track_caller]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        match u32::try_from(bytes) {
            Ok(bytes) if bytes <= MAX_SIZE => self.core.label().manner.stack_size = bytes,
            _ => panic!("stack_size({bytes}): a C stack has at most {MAX_SIZE} bytes"),
        }
        self
    }

    /// Runs C on the thread's own stack: for libraries that compare addresses with the thread's stack bounds (CPython
    /// from 3.12, QuickJS, the Boehm collector, a JVM).
    ///
    /// Callbacks are polled on top of C's frames. Such a call cannot suspend: with
    /// [`suspendable`](Self::suspendable) or [`migratable`](Self::migratable) a callback that is not ready is treated as in a plain call.
    pub fn on_thread_stack(mut self) -> Self {
        self.core.label().manner.ground = GroundKind::ThreadStack;
        self
    }

    /// Hands the slot off at once, because C is known to be long: no time is lost until the monitor retakes it.
    ///
    /// Costs a thread's wake-up, 5 µs or more. A worker whose last calls were all retaken does this by itself, until one of
    /// them turns out to be short. Undoes [`brief`](Self::brief).
    pub fn long(mut self) -> Self {
        self.core.label().manner.mode = Mode::Long;
        self
    }

    /// Does not cede the slot: for C that takes less than a few microseconds and never blocks.
    ///
    /// Nothing is done about such a call: while it lasts, its worker's other tasks wait. If it lasts longer than
    /// [`Config::brief_limit`](crate::Config::brief_limit), a warning says so. A callback that is not ready at once
    /// hands the slot off all the same. Undoes [`long`](Self::long).
    pub fn brief(mut self) -> Self {
        self.core.label().manner.mode = Mode::Brief;
        self
    }

    /// Delivers errno beside the result, as in cgo's `r, err := C.f()`.
    ///
    /// errno is set to zero before `f` runs and read when it has returned, so this is the errno of C only if C is the
    /// last thing that `f` does. Callbacks do not change it.
    pub fn with_errno(self) -> Call<impl FnOnce() -> (R, Errno), (R, Errno)> {
        self.map(errno::reported)
    }

    /// Turns C's way of failing into a [`Result`]: the value that means failure for this type ([`CReturn`]) into the error
    /// that errno names, anything else into `Ok`.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let error = cede::call(|| unsafe { libc::close(-1) }).or_errno().await.unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// The future's output is an error if C has failed.
    pub fn or_errno(self) -> Call<impl FnOnce() -> io::Result<R::Value>, io::Result<R::Value>>
    where
        R: CReturn,
    {
        self.map(errno::checked)
    }

    fn map<G, S>(self, wrap: impl FnOnce(F) -> G) -> Call<G, S>
    where
        G: FnOnce() -> S,
    {
        let Work::Due(f) = self.work else {
            unreachable!("a call that is polled is pinned, and cannot be moved in here");
        };
        Call {
            core: self.core,
            work: Work::Due(wrap(f)),
            _pinned: PhantomPinned,
        }
    }
}

impl<F, R> Work<F, R>
where
    F: FnOnce() -> R,
{
    /// What the closure has returned. Called once.
    #[inline]
    fn take(&mut self) -> R {
        let Self::Done(returned) = &*self else {
            unreachable!("C has returned, once");
        };
        // SAFETY: moved out, and not dropped in its place: overwritten below, unless there is nothing to drop.
        let taken = unsafe { std::ptr::read(returned) };
        if std::mem::needs_drop::<R>() {
            // SAFETY: what is overwritten was moved out.
            unsafe { std::ptr::write(self, Self::Spent) };
        }
        taken
    }

    /// What runs on the C stack.
    ///
    /// # Safety
    ///
    /// `this` points to a `Work<F, R>` that stays where it is, and that nobody else touches until this has returned. Run again, it
    /// panics.
    unsafe extern "C" fn run(this: *mut ()) -> Outcome {
        let this: *mut Self = this.cast();
        let outcome = caught(|| {
            // SAFETY: by this function's contract. No reference is held while `f` runs.
            let Self::Due(f) = (unsafe { &*this }) else {
                panic!("`Call` polled after completion");
            };
            // The closure alone, not all of `Work`: that was written in parts a moment ago, and to read it as a whole would wait
            // until the last of them has left the processor's store buffer.
            // SAFETY: moved out, once, and not dropped in its place: overwritten below, unless there is nothing to drop.
            let f = unsafe { std::ptr::read(f) };
            if std::mem::needs_drop::<F>() {
                // SAFETY: by this function's contract; what is overwritten was moved out.
                unsafe { this.write(Self::Spent) };
            }
            let returned = f();
            // SAFETY: by this function's contract; what is overwritten has nothing to drop.
            unsafe { this.write(Self::Done(returned)) };
        });
        match outcome {
            Ok(()) => Outcome::RETURNED,
            Err(payload) => {
                // SAFETY: as above.
                unsafe { this.write(Self::Spent) };
                Outcome::panicked(payload)
            }
        }
    }
}

impl<F, R> Future for Call<F, R>
where
    F: FnOnce() -> R,
{
    type Output = R;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        // SAFETY: nothing is moved out of `self` but the outcome, once C has returned and nobody refers to it.
        let this = unsafe { self.get_unchecked_mut() };
        let job = Job {
            run: Work::<F, R>::run,
            argument: (&raw mut this.work).cast(),
        };
        // SAFETY: the job is made from the same pinned place at every poll; `work` is due until it runs, is touched by
        // nobody but the job until C has returned, and is dropped after `core`.
        let progress = here::with(|here| unsafe { this.core.poll(here, job, cx) });
        // One comparison for what nearly every call comes to.
        if progress == Progress::Returned {
            return Poll::Ready(this.work.take());
        }
        if progress == Progress::Panicked {
            raise(&mut this.core);
        }
        Poll::Pending
    }
}

#[cold]
fn raise(core: &mut Core) -> ! {
    resume_unwind(
        core.take_panic()
            .expect("a call that has panicked has a payload"),
    )
}

impl<F, R> fmt::Debug for Call<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
