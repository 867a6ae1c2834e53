//! The frame that encloses the running code, and what the monitor is told of its owner.

use super::handshake::Verdict;
use super::record::Record;
use super::thread::ThreadSlot;
use crate::label::CallMode;

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
    pub(super) fn is_open(self) -> bool {
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

/// Restores the frame's state on drop.
#[must_use]
pub(crate) struct FrameGuard<'a> {
    thread: &'a ThreadSlot,
    outer: Frame,
}

impl<'a> FrameGuard<'a> {
    #[inline]
    pub(super) fn enter(thread: &'a ThreadSlot, frame: Frame) -> Self {
        Self {
            thread,
            outer: thread.frame.replace(frame),
        }
    }
}

impl Drop for FrameGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.thread.frame.set(self.outer);
    }
}

/// Tells the monitor whether the owner of a frame is in C.
///
/// Each way to C is counted as a call's, unless it is said that it is not.
#[derive(Clone, Copy)]
pub(crate) struct Marks<'a>(pub(super) &'a Record);

impl Marks<'_> {
    /// The owner goes to C.
    #[inline]
    pub(crate) fn enter_c(self) {
        self.0.handshake.enter_c();
    }

    /// The owner goes back to C, after a callback.
    #[inline]
    pub(crate) fn enter_c_after_callback(self) {
        self.0.tally.callback_by_mark();
        self.enter_c();
    }

    /// The owner goes to C, as good as: what it does there is not a call, or counts itself.
    #[inline]
    pub(crate) fn enter_c_uncounted(self) {
        self.0.tally.other_way_to_c();
        self.enter_c();
    }

    /// The owner is about to go to C with a call that counts as one of this mode, not as one in place.
    pub(crate) fn count_call(self, mode: CallMode) {
        self.0.tally.call(mode, true);
    }

    /// The owner is back from C. `false` if its slot is gone.
    #[inline]
    pub(crate) fn enter_rust(self) -> bool {
        self.0.handshake.enter_rust() == Verdict::Kept
    }

    /// Whether the slot of the frame is gone, for who is in Rust.
    pub(crate) fn is_lost(self) -> bool {
        self.0.handshake.is_lost()
    }
}
