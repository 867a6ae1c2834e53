//! What a thread knows of its own slot: its record, its job, and the frame that is open on it.

use super::core::{self, Way, has_core};
use super::handshake::{Handshake, Verdict};
use super::life::{Life, NoStandby};
use super::record::{self, Record};
use super::{monitor, self_test};
use crate::observe;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null;
use std::sync::Arc;
use std::task::Waker;
use tokio::runtime::{Handle, Id, RuntimeFlavor, worker_index};

/// The frame that encloses the running code, as far as ceding is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Frame {
    /// No frame of ours is open.
    None,
    /// A scope is being polled without a frame; the first call may ask for one.
    ScopeOffers,
    /// A call has asked its scope for a frame.
    ScopeAsked,
    /// A scope's frame is open; [`ThreadSlot::take_call`] says whether it has room for one more call.
    Scope,
    /// A call's frame is open, or a call is running inside a scope's: whatever runs now runs under a callback.
    Call,
}

impl Frame {
    #[inline]
    fn is_open(self) -> bool {
        matches!(self, Frame::Scope | Frame::Call)
    }
}

/// How a frame ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reacquired {
    /// This thread has what it had before.
    Yes,
    /// The slot went to another thread: the task has to go back to the run queue.
    No,
}

/// What the calling thread's own job is, whatever handle may be entered on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// It holds no slot: a `block_on` thread, a blocking thread, a frame's inside, a thread outside of any runtime.
    WithoutSlot,
    /// It drives a current-thread runtime.
    CurrentThread,
    /// It is a worker and holds its core.
    Worker,
}

/// What was found out about this thread's job, valid while the current handle and the worker index stay the same.
struct KnownJob {
    runtime: Id,
    worker: usize,
    /// `None`: this thread's scheduler has no use for `block_in_place`, although the current handle is a multi-thread
    /// runtime's.
    life: Option<Arc<Life>>,
}

pub(crate) struct ThreadSlot {
    record: Arc<Record>,
    frame: Cell<Frame>,
    /// Calls that the scope's frame has room for.
    calls_left: Cell<u32>,
    known: RefCell<Option<KnownJob>>,
}

thread_local! {
    static THREAD: ThreadSlot = ThreadSlot {
        record: record::register(),
        frame: const { Cell::new(Frame::None) },
        calls_left: const { Cell::new(0) },
        known: const { RefCell::new(None) },
    };

    /// Points to `THREAD` while that is alive. A thread-local without a destructor is reached by one instruction.
    static THREAD_HERE: Cell<*const ThreadSlot> = const { Cell::new(null()) };
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        THREAD_HERE.set(null());
        record::unregister(&self.record);
    }
}

/// Lends the calling thread's slot; `None` while the thread's destructors run, when nothing can be ceded any more.
#[inline(always)]
pub(crate) fn with_thread<R>(f: impl FnOnce(Option<&ThreadSlot>) -> R) -> R {
    let mut here = THREAD_HERE.get();
    if here.is_null() {
        here = arrive();
    }
    // SAFETY: null, or this thread's slot, which is there until the thread's destructors run. They cannot run before `f`
    // has returned, and the reference does not outlive `f`.
    f(unsafe { here.as_ref() })
}

#[cold]
fn arrive() -> *const ThreadSlot {
    let here = THREAD.try_with(std::ptr::from_ref).unwrap_or(null());
    THREAD_HERE.set(here);
    here
}

impl ThreadSlot {
    #[inline]
    pub(crate) fn frame(&self) -> Frame {
        self.frame.get()
    }

    /// Whether a frame is open on this thread.
    #[inline]
    pub(crate) fn is_in_frame(&self) -> bool {
        self.frame.get().is_open()
    }

    /// Sets the frame's state until the guard drops.
    #[inline]
    pub(crate) fn enter_frame(&self, frame: Frame) -> FrameGuard<'_> {
        FrameGuard {
            thread: self,
            outer: self.frame.replace(frame),
        }
    }

    /// A call asks the scope that polls it for a frame.
    pub(crate) fn ask_for_frame(&self) {
        self.frame.set(Frame::ScopeAsked);
    }

    /// Gives a scope's frame room for so many calls.
    pub(crate) fn allow_calls(&self, calls: u32) {
        self.calls_left.set(calls);
    }

    /// How many calls the scope's frame has room for.
    pub(crate) fn calls_left(&self) -> u32 {
        self.calls_left.get()
    }

    /// Takes one of the calls that the scope's frame has room for. `false` if there is none left, or if the frame has lost
    /// its slot.
    #[inline]
    pub(crate) fn take_call(&self) -> bool {
        let left = self.calls_left.get();
        self.calls_left.set(left.saturating_sub(1));
        left > 0 && !self.record.handshake.is_lost()
    }

    /// The marks of the frame that is open on this thread. Without a frame there is nothing to cede, and nothing to mark.
    #[inline]
    pub(crate) fn marks(&self) -> Option<Marks<'_>> {
        self.is_in_frame().then_some(Marks(&self.record.handshake))
    }

    /// Gives the slot of the open frame away at once, because what follows is known to be long.
    pub(crate) fn hand_off(&self) {
        let record = &self.record;
        if self.is_in_frame() && record.is_armed() && record.handshake.give_away() {
            record.release_standby();
            observe::counter::HAND_OFFS.add(1);
        }
    }

    /// Opens a frame around `body` if this thread has a slot to cede, else runs `body` as it is.
    ///
    /// With `long`, or if this worker's last calls were all retaken, the slot is handed off at once.
    pub(crate) fn cede(&self, frame: Frame, long: bool, body: &mut dyn FnMut()) -> Reacquired {
        debug_assert!(!self.is_in_frame(), "a frame inside a frame");
        let Some((way, life, worker)) = self.way_to_cede() else {
            body();
            return Reacquired::Yes;
        };
        let outlook = life.outlook(worker);
        let guess_long = frame == Frame::Call && outlook.is_long();
        let began = guess_long.then(std::time::Instant::now);
        let armed = match &way {
            Way::Arm(standby) => Some(standby.clone()),
            _ => None,
        };
        let mut outcome = Ok(());
        let mut verdict = Verdict::Kept;
        let ceded = core::without_core(&way, &mut || {
            let _frame = self.enter_frame(frame);
            if let Some(standby) = &armed {
                self.arm(standby.clone(), &life);
            }
            let _ = self.record.handshake.open();
            monitor::frame_opened();
            if long || guess_long {
                self.hand_off();
            }
            outcome = catch_unwind(AssertUnwindSafe(&mut *body));
            verdict = self.record.handshake.close();
        });
        if !ceded {
            self.refuse(armed, &life);
            body();
            return Reacquired::Yes;
        }
        match (verdict, began) {
            (Verdict::Lost, None) => outlook.was_long(),
            (Verdict::Lost, Some(began)) if began.elapsed() < WORTH_A_WAKE_UP => {
                outlook.was_short()
            }
            (Verdict::Lost, Some(_)) => (),
            (Verdict::Kept, _) => outlook.was_short(),
        }
        let reacquired = if has_core() {
            Reacquired::Yes
        } else {
            Reacquired::No
        };
        if reacquired == Reacquired::No {
            life.retire();
        }
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        reacquired
    }

    /// [`cede`](Self::cede), for a callback that waits under a call which has ceded nothing.
    pub(crate) fn cede_parked(&self, body: &mut dyn FnMut()) -> Reacquired {
        self.cede(Frame::Call, true, body)
    }

    fn arm(&self, standby: Arc<super::standby::Standby>, life: &Arc<Life>) {
        self.record.arm(standby);
        // A life that closed meanwhile has released the records that it saw, and may not have seen this one.
        if life.is_closed() {
            self.record.release_standby();
        }
    }

    /// The thread's job did not let its core go: remembered, so that it is not asked again.
    #[cold]
    fn refuse(&self, standby: Option<Arc<super::standby::Standby>>, life: &Arc<Life>) {
        if let Some(standby) = standby {
            life.keep(standby);
        }
        if let Some(known) = self.known.borrow_mut().as_mut() {
            known.life = None;
        }
    }

    /// How to cede, or `None` if there is nothing to cede or nobody to cede it to.
    fn way_to_cede(&self) -> Option<(Way, Arc<Life>, usize)> {
        let (life, worker) = self.worker_life()?;
        if self.record.is_armed() {
            return Some((Way::Cheap, life, worker));
        }
        if !self_test::passed() || !monitor::ensure_running() {
            return Some((Way::Plain, life, worker));
        }
        match life.standby() {
            Ok(standby) => Some((Way::Arm(standby), life, worker)),
            Err(NoStandby::ShuttingDown) => None,
            Err(why) => {
                observe::no_standby(why);
                None
            }
        }
    }

    /// The runtime and the index of the worker that this thread is, if it is one and holds its core.
    fn worker_life(&self) -> Option<(Arc<Life>, usize)> {
        let worker = worker_index()?;
        if !has_core() {
            return None;
        }
        let handle = Handle::try_current().ok()?;
        if handle.runtime_flavor() == RuntimeFlavor::CurrentThread {
            observe::nothing_to_cede();
            return None;
        }
        let mut known = self.known.borrow_mut();
        let valid = known.as_ref().is_some_and(|job| {
            job.worker == worker
                && job.runtime == handle.id()
                && job.life.as_ref().is_none_or(|life| !life.is_closed())
        });
        if !valid {
            // The standby of the former job serves a worker that this thread is no longer.
            self.record.release_standby();
            let life = lets_core_go().then(|| Life::of(&handle));
            *known = Some(KnownJob {
                runtime: handle.id(),
                worker,
                life,
            });
        }
        known.as_ref()?.life.clone().map(|life| (life, worker))
    }

    /// What this thread does for a living.
    pub(crate) fn job(&self) -> Job {
        if worker_index().is_none() || !has_core() {
            Job::WithoutSlot
        } else if self.is_in_frame() || self.worker_life().is_none() {
            // Inside a frame the worker's core is in its cell: the core that is held here is another scheduler's.
            Job::CurrentThread
        } else {
            Job::Worker
        }
    }
}

/// A call shorter than this was not worth the wake-up of a standby. Measured: a wake-up takes 5 to 50 µs.
const WORTH_A_WAKE_UP: std::time::Duration = std::time::Duration::from_micros(50);

/// Whether the scheduler on this thread is one that lets go of its core, for the current handle may be another
/// runtime's. A current-thread scheduler declines by a panic, whose message appears once a thread.
#[cold]
fn lets_core_go() -> bool {
    core::without_core(&Way::Cheap, &mut || ())
}

/// Whether `waker` tells that the calling thread, which has no frame open, polls a task of a `LocalSet`: the waker of a
/// spawned task, on a thread that drives no scheduler.
pub(crate) fn in_local_set(waker: &Waker) -> bool {
    worker_index().is_none()
        && tokio::task::try_id().is_some()
        && self_test::task_waker_vtable().is_some_and(|vtable| std::ptr::eq(vtable, waker.vtable()))
}

/// Tells the monitor whether the owner of a frame is in C.
#[derive(Clone, Copy)]
pub(crate) struct Marks<'a>(&'a Handshake);

impl Marks<'_> {
    /// The owner goes to C.
    #[inline]
    pub(crate) fn enter_c(self) {
        self.0.enter_c();
    }

    /// The owner is back from C. `false` if its slot is gone.
    #[inline]
    pub(crate) fn enter_rust(self) -> bool {
        self.0.enter_rust() == Verdict::Kept
    }
}

/// Restores the frame's state on drop.
#[must_use]
pub(crate) struct FrameGuard<'a> {
    thread: &'a ThreadSlot,
    outer: Frame,
}

impl Drop for FrameGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.thread.frame.set(self.outer);
    }
}
