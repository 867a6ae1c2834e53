//! What a thread knows of its own slot: its record, its job, and the frame that is open on it.

use super::allowance::Allowance;
use super::core::{self, Attempt, Way, has_core};
use super::handshake::{Handshake, Verdict};
use super::life::{Life, Outlook};
use super::record::{self, Record};
use super::signals::SignalMask;
use super::standby::Standby;
use super::turns::Turns;
use super::{monitor, self_test};
use crate::here::{self, Here};
use crate::observe;
use crate::panic::caught;
use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::ptr::null;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, Id, RuntimeFlavor, worker_index};
use tokio::task;

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
    /// A scope's frame is open; [`ThreadSlot::has_room`] says whether for one more call.
    Scope,
    /// A call's frame is open, or a scope's whose call calls back: what runs now is under C, or under a callback.
    Call,
}

impl Frame {
    #[inline]
    fn is_open(self) -> bool {
        matches!(self, Frame::Scope | Frame::Call)
    }

    /// What code finds that runs under a callback: a scope has no say there.
    #[inline]
    pub(crate) fn under_callback(self) -> Self {
        if self.is_open() {
            Self::Call
        } else {
            Self::None
        }
    }
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

/// What was found out about this thread's job.
#[derive(Default)]
struct KnownJob {
    /// The worker that this thread runs, as was found with this handle entered.
    worker: Option<(Id, usize, Arc<Life>)>,
    /// With this handle entered, in this task, the thread's scheduler declined to let its core go.
    declined: Option<(Id, Option<task::Id>)>,
}

pub(crate) struct ThreadSlot {
    record: Arc<Record>,
    frame: Cell<Frame>,
    /// The calls that the scope may make in this poll.
    allowance: Allowance,
    /// Whether the scope that is being polled is to yield.
    yields: Cell<bool>,
    /// Counts the polls of scopes on this thread; zero before the first.
    scope_poll: Cell<u8>,
    known: RefCell<KnownJob>,
    /// Frames that have ended without the slot.
    losses: Cell<u32>,
    brief_calls: Turns,
    /// As it was before the thread's first call.
    signals: SignalMask,
}

thread_local! {
    static THREAD: ThreadSlot = ThreadSlot {
        record: record::register(),
        frame: const { Cell::new(Frame::None) },
        allowance: const { Allowance::none() },
        yields: const { Cell::new(false) },
        scope_poll: const { Cell::new(0) },
        known: RefCell::default(),
        losses: const { Cell::new(0) },
        brief_calls: const { Turns::new() },
        signals: SignalMask::current(),
    };
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        here::with(|here| here.slot.set(null()));
        record::unregister(&self.record);
    }
}

/// Lends the calling thread's slot; `None` while the thread's destructors run, when nothing can be ceded any more.
#[inline(always)]
pub(crate) fn with_thread<R>(f: impl FnOnce(Option<&ThreadSlot>) -> R) -> R {
    here::with(|here| {
        if here.slot.get().is_null() {
            arrive(here);
        }
        f(known_thread(here))
    })
}

/// The calling thread's slot; `None` also if it was not asked for on this thread yet ([`with_thread`]).
#[inline(always)]
pub(crate) fn known_thread(here: &Here) -> Option<&ThreadSlot> {
    // SAFETY: null, or this thread's slot, which is there until the thread's destructors run. They cannot run before whoever
    // was lent `here` has returned.
    unsafe { here.slot.get().cast::<ThreadSlot>().as_ref() }
}

#[cold]
#[inline(never)]
fn arrive(here: &Here) {
    let slot = THREAD.try_with(std::ptr::from_ref).unwrap_or(null());
    here.slot.set(slot.cast());
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

    /// The scope that is being polled is to yield when its frame has ended: not before, for without its core tokio would put the
    /// task back into the queue at once, ahead of timers and I/O.
    pub(crate) fn yield_after_frame(&self) {
        self.yields.set(true);
    }

    /// Whether the scope is to yield.
    pub(crate) fn take_yield(&self) -> bool {
        self.yields.take()
    }

    /// A scope is about to be polled.
    pub(crate) fn begin_scope_poll(&self) {
        self.allowance.renew(self.record.handshake.times_in_c());
        self.scope_poll
            .set(self.scope_poll.get().wrapping_add(1).max(1));
    }

    /// Tells this poll of a scope from others on this thread.
    pub(crate) fn scope_poll(&self) -> u8 {
        self.scope_poll.get()
    }

    /// Whether a call was made in the frame that this poll of a scope has opened.
    pub(crate) fn has_made_calls(&self) -> bool {
        !self.allowance.is_whole(self.record.handshake.times_in_c())
    }

    /// Whether the scope may make one more call in its current round.
    #[inline]
    pub(crate) fn has_room_in_round(&self) -> bool {
        let made = self.record.handshake.times_in_c();
        self.allowance.has_room(made)
    }

    /// Whether the scope may make one more call in this poll.
    pub(crate) fn has_room(&self) -> bool {
        let made = self.record.handshake.times_in_c();
        self.allowance.makes_room(made)
    }

    /// Whether a brief call may be made without asking tokio's budget; if so, it is made.
    #[inline]
    pub(crate) fn take_brief_call(&self) -> bool {
        self.brief_calls.take()
    }

    /// A brief call is about to ask tokio's budget, for itself and some more.
    pub(crate) fn begin_brief_turn(&self) {
        self.brief_calls.begin(Instant::now());
    }

    /// The marks of the frame that is open on this thread, for code that is in Rust and goes to C.
    ///
    /// Without a frame there is nothing to cede, and nothing to mark. Nor is there if the thread is in C already, because
    /// Rust under C polls a call there and then, with an executor of its own, instead of in a callback.
    #[inline]
    pub(crate) fn marks(&self) -> Option<Marks<'_>> {
        let handshake = &self.record.handshake;
        (self.is_in_frame() && !handshake.is_in_c()).then_some(Marks(handshake))
    }

    /// The same, for code that is in C and goes to Rust.
    #[inline]
    pub(crate) fn marks_in_c(&self) -> Option<Marks<'_>> {
        let handshake = &self.record.handshake;
        (self.is_in_frame() && handshake.is_in_c()).then_some(Marks(handshake))
    }

    /// How many frames have ended without the slot on this thread. The same number at the end of a poll as at its start
    /// means that the thread has what it had.
    #[inline]
    pub(crate) fn losses(&self) -> u32 {
        self.losses.get()
    }

    /// Gives the slot of the open frame away at once, because what follows is known to be long.
    pub(crate) fn hand_off(&self) {
        let record = &self.record;
        if self.is_in_frame() && record.is_armed() && record.handshake.give_away() {
            record.release_standby();
            observe::counter::HAND_OFFS.add(1);
        }
    }

    /// Opens a frame around `body` if this thread has a slot to cede, else runs `body` as it is. [`losses`](Self::losses)
    /// tells whether the slot was lost.
    ///
    /// With `long`, or if this worker's last calls were all retaken, the slot is handed off at once.
    pub(crate) fn cede(&self, frame: Frame, long: bool, body: &mut dyn FnMut()) {
        match self
            .worker_life()
            .and_then(|(life, worker)| Some((self.way_to_cede(&life)?, life, worker)))
        {
            Some((way, life, worker)) => self.cede_by(&way, &life, worker, frame, long, body),
            None => body(),
        }
    }

    /// [`cede`](Self::cede), for a callback that waits under a call which has ceded nothing. It may wait for something that
    /// takes this very slot, so if nobody is on standby the runtime's own threads have to do.
    pub(crate) fn cede_parked(&self, body: &mut dyn FnMut()) {
        match self.worker_life() {
            Some((life, worker)) => {
                let way = self.way_to_cede(&life).unwrap_or(Way::Plain);
                self.cede_by(&way, &life, worker, Frame::Call, true, body);
            }
            None => body(),
        }
    }

    fn cede_by(
        &self,
        way: &Way,
        life: &Arc<Life>,
        worker: usize,
        frame: Frame,
        long: bool,
        body: &mut dyn FnMut(),
    ) {
        debug_assert!(!self.is_in_frame(), "a frame inside a frame");
        let guess = Guess::about(life.outlook(worker).filter(|_| frame == Frame::Call));
        let mut outcome = Ok(());
        let mut verdict = Verdict::Kept;
        let attempt = core::without_core(way, &mut || {
            let _frame = self.enter_frame(frame);
            if let Way::Arm(standby) = way {
                self.arm(standby.clone(), life);
            }
            let _ = self.record.handshake.open();
            monitor::frame_opened();
            if long || guess.is_long() {
                self.hand_off();
            }
            outcome = caught(&mut *body);
            verdict = self.record.handshake.close();
        });
        if attempt != Attempt::Ran {
            self.frame_failed(attempt, way, life);
            body();
        }
        guess.compare(verdict);
        if verdict == Verdict::Lost {
            // The monitor may have claimed the slot and not yet let the standby go: left here, it would arm the next frame in
            // name only.
            self.record.release_standby();
        }
        if !has_core() {
            self.record.release_standby();
            self.losses.set(self.losses.get().wrapping_add(1));
            life.retire();
        }
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }

    fn arm(&self, standby: Arc<Standby>, life: &Arc<Life>) {
        self.record.arm(standby);
        // A life that closed meanwhile has released the records that it saw, and may not have seen this one.
        if life.is_closed() {
            self.record.release_standby();
        }
    }

    /// No frame was opened after all.
    #[cold]
    fn frame_failed(&self, attempt: Attempt, way: &Way, life: &Arc<Life>) {
        if let Way::Arm(standby) = way {
            life.keep(standby.clone());
        }
        if attempt == Attempt::Declined {
            *self.known.borrow_mut() = KnownJob::default();
        }
    }

    /// How to cede the slot that this worker holds, or `None` if there is nobody to cede it to.
    fn way_to_cede(&self, life: &Arc<Life>) -> Option<Way> {
        if self.record.is_armed() {
            return Some(Way::Cheap);
        }
        if !self_test::passed() || !monitor::ensure_running() {
            return Some(Way::Plain);
        }
        match life.standby(self.signals) {
            Ok(standby) => Some(Way::Arm(standby)),
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
        if let Some((seen_with, index, life)) = &self.known.borrow().worker {
            if *seen_with == handle.id() && *index == worker && !life.is_closed() {
                return Some((life.clone(), worker));
            }
        }
        self.learn(&handle, worker)
    }

    /// Finds out whether this thread is a worker, and whose: that of the runtime it was found to work for before, if that is
    /// still there, for a thread does not change runtimes; else that of the handle which is entered.
    #[cold]
    fn learn(&self, handle: &Handle, worker: usize) -> Option<(Arc<Life>, usize)> {
        let here = (handle.id(), task::try_id());
        if self.known.borrow().declined == Some(here) {
            return None;
        }
        // Nothing is borrowed here: tokio wakes deferred wakers, which are anybody's code.
        if core::without_core(&Way::Cheap, &mut || ()) == Attempt::Declined {
            self.known.borrow_mut().declined = Some(here);
            return None;
        }
        let known = self.known.borrow().worker.clone();
        let life = match &known {
            Some((_, _, life)) if !life.is_closed() && life.outlook(worker).is_some() => {
                life.clone()
            }
            _ => Life::of(handle),
        };
        let same =
            known.is_some_and(|(_, index, before)| index == worker && Arc::ptr_eq(&before, &life));
        if !same {
            // The standby of the former job serves a worker that this thread is no longer.
            self.record.release_standby();
        }
        self.known.borrow_mut().worker = Some((handle.id(), worker, life.clone()));
        Some((life, worker))
    }

    /// Whether this thread has been seen to work for a multi-thread runtime.
    pub(crate) fn has_been_worker(&self) -> bool {
        self.known.borrow().worker.is_some()
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
const WORTH_A_WAKE_UP: Duration = Duration::from_micros(50);

/// What was expected of a call, to be compared with what it was.
struct Guess<'a> {
    outlook: Option<&'a Outlook>,
    /// When a call began that is taken for long.
    began: Option<Instant>,
}

impl<'a> Guess<'a> {
    fn about(outlook: Option<&'a Outlook>) -> Self {
        Self {
            outlook,
            began: outlook.is_some_and(Outlook::is_long).then(Instant::now),
        }
    }

    fn is_long(&self) -> bool {
        self.began.is_some()
    }

    fn compare(&self, verdict: Verdict) {
        let Some(outlook) = self.outlook else {
            return;
        };
        match (verdict, self.began) {
            (Verdict::Lost, None) => outlook.was_long(),
            (Verdict::Lost, Some(began)) if began.elapsed() >= WORTH_A_WAKE_UP => (),
            _ => outlook.was_short(),
        }
    }
}

/// Whether `waker` is that of a spawned task, not one that a combinator or an executor of another kind has put in its place.
pub(crate) fn is_task_waker(waker: &Waker) -> bool {
    self_test::task_waker_vtable().is_some_and(|vtable| std::ptr::eq(vtable, waker.vtable()))
}

/// Whether `waker` tells that the calling thread, which has no frame open, polls a task of a `LocalSet`: the waker of a
/// spawned task, on a thread that drives no scheduler.
pub(crate) fn in_local_set(waker: &Waker) -> bool {
    in_task_without_worker() && is_task_waker(waker)
}

/// Whether a task runs on a thread that is no worker: a `LocalSet`'s, or one that a blocking thread drives.
pub(crate) fn in_task_without_worker() -> bool {
    worker_index().is_none() && task::try_id().is_some()
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
