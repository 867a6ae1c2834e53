//! What a thread knows of its own slot: its record, the frame that is open on it, and what a scope or a brief call may still do.

use super::allowance::Allowance;
use super::footing::Held;
use super::frame::{Frame, FrameGuard, Marks};
use super::job::KnownJob;
use super::record::{self, Record};
use super::signals::SignalMask;
use super::turns::Turns;
use crate::here::{self, Here};
use crate::observe::Tally;
use crate::watchdog;
use std::cell::{Cell, RefCell};
use std::ptr::null;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{RawWakerVTable, Waker};
use std::time::Instant;

pub(crate) struct ThreadSlot {
    pub(super) record: Arc<Record>,
    pub(super) frame: Cell<Frame>,
    /// The calls that the scope may make in this poll.
    allowance: Allowance,
    /// Whether the scope that is being polled is to yield.
    yields: Cell<bool>,
    /// What wakes the scope that is being polled. To be compared, not used: it may be gone.
    scope_waker: Cell<Option<(*const (), &'static RawWakerVTable)>>,
    /// Numbers the polls of scopes on this thread. Never zero after the first.
    scope_poll: Cell<u8>,
    pub(super) known: RefCell<KnownJob>,
    /// Frames that have ended without the slot.
    pub(super) losses: Cell<u32>,
    /// Since when the slot of the last of them is taken to have been lost, if that is known.
    pub(super) last_loss: Cell<Option<Instant>>,
    /// When the slot of the open frame was handed off, if it was.
    pub(super) handed_off: Cell<Option<Instant>>,
    /// Whether the monitor took the slot of the frame that was closed last.
    pub(super) was_retaken: Cell<bool>,
    brief_turns: Turns,
    /// As it was before the thread's first call.
    pub(super) signals: SignalMask,
}

thread_local! {
    static THREAD: ThreadSlot = ThreadSlot {
        record: record::register(),
        frame: const { Cell::new(Frame::None) },
        allowance: const { Allowance::none() },
        yields: const { Cell::new(false) },
        scope_waker: const { Cell::new(None) },
        scope_poll: Cell::new(first_scope_poll()),
        known: RefCell::default(),
        losses: const { Cell::new(0) },
        last_loss: const { Cell::new(None) },
        handed_off: const { Cell::new(None) },
        was_retaken: const { Cell::new(false) },
        brief_turns: const { Turns::new() },
        signals: SignalMask::current(),
    };
}

/// Where a thread begins to number polls. A scope that has lost its slot goes on on another thread, where a call must not take
/// the first few polls for the one in which it was put off: so threads begin far apart.
fn first_scope_poll() -> u8 {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    NEXT.fetch_add(97, Ordering::Relaxed)
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
        let _held = here.slot.get().is_null().then(|| arrive(here));
        f(known_thread(here))
    })
}

/// The calling thread's slot; `None` also if it was not asked for on this thread yet ([`with_thread`]).
#[inline(always)]
pub(crate) fn known_thread(here: &Here) -> Option<&ThreadSlot> {
    // SAFETY: null, or this thread's slot, which is there until the thread's destructors run: not before whoever was lent `here`
    // has returned, or else under an `exit`, from which it never returns.
    unsafe { here.slot.get().cast::<ThreadSlot>().as_ref() }
}

/// Lends what the calling thread counts of its calls.
pub(crate) fn with_tally(f: impl FnOnce(&Tally)) {
    with_thread(|thread| match thread {
        Some(thread) => f(&thread.record.tally),
        None => {
            let tally = Tally::new();
            f(&tally);
            record::count_without_record(&tally);
        }
    });
}

/// On a stack that may be set aside every time; elsewhere once a thread.
#[cold]
#[inline(never)]
fn arrive(here: &Here) -> Option<Held<'_>> {
    let held = Held::enter(here);
    let slot = THREAD.try_with(std::ptr::from_ref).unwrap_or(null());
    here.slot.set(slot.cast());
    held
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
        FrameGuard::enter(self, frame)
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

    /// A scope is about to be polled, with this waker.
    pub(crate) fn begin_scope_poll(&self, waker: &Waker) {
        self.scope_waker.set(Some((waker.data(), waker.vtable())));
        self.allowance.renew(self.record.handshake.times_in_c());
        self.scope_poll
            .set(self.scope_poll.get().wrapping_add(1).max(1));
    }

    /// Whether what is polled with `waker` is polled again when the scope is.
    pub(crate) fn is_scope_waker(&self, waker: &Waker) -> bool {
        self.scope_waker.get().is_some_and(|(data, vtable)| {
            std::ptr::eq(data, waker.data()) && std::ptr::eq(vtable, waker.vtable())
        })
    }

    /// Tells this poll of a scope from others on this thread.
    pub(crate) fn scope_poll(&self) -> u8 {
        self.scope_poll.get()
    }

    /// Whether a call was made in the frame that this poll of a scope has opened.
    pub(crate) fn has_made_calls(&self) -> bool {
        !self.allowance.is_whole(self.record.handshake.times_in_c())
    }

    /// Whether a call may be made in the open frame without further ado: nobody has claimed its slot, and there is room in the
    /// current round, the scope's or that of a callback.
    #[inline]
    pub(crate) fn may_call(&self) -> bool {
        self.record.handshake.is_unclaimed() && self.has_room_in_round()
    }

    #[inline]
    pub(crate) fn has_room_in_round(&self) -> bool {
        let made = self.record.handshake.times_in_c();
        self.allowance.has_room(made)
    }

    /// Begins a round of calls that are made under a callback.
    pub(crate) fn begin_round_under_callback(&self) {
        let made = self.record.handshake.times_in_c();
        self.allowance.extend(made);
    }

    /// Whether the scope may make one more call in this poll: its frame has its slot, and there is room for one.
    pub(crate) fn has_room(&self) -> bool {
        let made = self.record.handshake.times_in_c();
        !self.record.handshake.is_lost() && self.allowance.makes_room(made)
    }

    /// Whether a brief call may be made without asking tokio's budget.
    #[inline]
    pub(crate) fn has_brief_call(&self) -> bool {
        let record = &*self.record;
        record.turn_end.is_after(record.tally.brief.get())
    }

    /// It is made.
    #[inline]
    pub(crate) fn count_brief_call(&self) {
        self.record.tally.brief.add_one();
    }

    /// An offloaded call is about to be shown: whatever is shown after something else is not to be taken for that, though it
    /// lie at the same address.
    pub(crate) fn count_offloaded(&self) {
        self.record.tally.offloaded();
    }

    /// A brief call that has asked tokio's budget, for itself and some more, is made.
    pub(crate) fn begin_brief_turn(&self) {
        let record = &*self.record;
        self.brief_turns
            .begin(&record.tally.brief, &record.turn_end, Instant::now());
        watchdog::rouse();
    }

    /// Whether the monitor has taken the slot of the open frame, or of the one that was closed last.
    pub(crate) fn is_retaken(&self) -> bool {
        if self.is_in_frame() {
            self.record.handshake.is_lost() && self.handed_off.get().is_none()
        } else {
            self.was_retaken.get()
        }
    }

    /// Since when the slot of the open frame, which is lost, is taken to be lost.
    pub(crate) fn lost_since(&self) -> Option<Instant> {
        self.handed_off
            .get()
            .or_else(|| self.record.retaken_since())
    }

    /// The marks of the frame that is open on this thread, for code that is in Rust and goes to C.
    ///
    /// Without a frame there is nothing to cede, and nothing to mark. Nor is there if the thread is in C already, because
    /// Rust under C polls a call there and then, with an executor of its own, instead of in a callback.
    #[inline]
    pub(crate) fn marks(&self) -> Option<Marks<'_>> {
        let handshake = &self.record.handshake;
        (self.is_in_frame() && !handshake.is_in_c()).then_some(Marks(&self.record))
    }

    /// As [`marks`](Self::marks), for who knows that a frame is open.
    #[inline]
    pub(crate) fn marks_of_frame(&self) -> Option<Marks<'_>> {
        debug_assert!(self.is_in_frame());
        let handshake = &self.record.handshake;
        (!handshake.is_in_c()).then_some(Marks(&self.record))
    }

    /// The same, for code that is in C and goes to Rust.
    #[inline]
    pub(crate) fn marks_in_c(&self) -> Option<Marks<'_>> {
        let handshake = &self.record.handshake;
        (self.is_in_frame() && handshake.is_in_c()).then_some(Marks(&self.record))
    }

    /// How many frames have ended without the slot on this thread. The same number at the end of a poll as at its start
    /// means that the thread has what it had.
    #[inline]
    pub(crate) fn losses(&self) -> u32 {
        self.losses.get()
    }

    /// Since when the slot is taken to have been lost that the last of these frames had, if that is known.
    pub(crate) fn last_loss(&self) -> Option<Instant> {
        self.last_loss.get()
    }
}
