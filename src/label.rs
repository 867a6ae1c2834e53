//! What a call is known by, and what it was asked to be like.

mod call_mode;

pub(crate) use call_mode::CallMode;

use std::fmt;
use std::panic::Location;

/// What a call is known by.
///
/// Laid out so that a thread which sees where it lies can read it from outside (the watchdog does).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Label {
    pub(crate) name: Option<&'static str>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) manner: Manner,
}

/// What a call was asked to be like. One word, which is written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub(crate) struct Manner {
    /// Of the C stack, in bytes.
    pub(crate) stack_size: u32,
    pub(crate) mode: Mode,
    pub(crate) ground: GroundKind,
    pub(crate) put_off: PutOff,
}

/// What the call does with its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Cede it: the monitor may retake it.
    Cede,
    /// Hand it off at once.
    Long,
    /// Keep it.
    Brief,
    /// It is not concerned: C runs on a thread of tokio's pool.
    Offloaded,
    /// The same, on a lane's.
    Lane,
}

/// What C runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum GroundKind {
    /// A C stack that is in use until C returns.
    CStack,
    /// A C stack that may be set aside at a callback.
    Suspendable,
    /// The same, for any thread to go on with.
    Migratable,
    /// The thread's own stack. Has precedence over both.
    ThreadStack,
}

/// Who has put the call off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct PutOff {
    /// The number of the scope's poll that has done so last, less all but its last byte: mistaken once in a while, a call is
    /// not put off although it could be.
    pub(crate) by_scope: u8,
    /// Whether tokio's budget has.
    pub(crate) by_budget: bool,
}

impl Label {
    /// What is made where the caller is.
    #[inline]
    #[track_caller]
    pub(crate) fn here(manner: Manner) -> Self {
        Self {
            name: None,
            location: Location::caller(),
            manner,
        }
    }

    /// Where it lies: known to nobody else while the call is there.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{name} ({})", self.location),
            None => self.location.fmt(f),
        }
    }
}

impl Manner {
    /// Of a call in place, on a C stack of this size.
    #[inline]
    pub(crate) fn in_place(stack_size: u32) -> Self {
        Self {
            stack_size,
            mode: Mode::Cede,
            ground: GroundKind::CStack,
            put_off: PutOff {
                by_scope: 0,
                by_budget: false,
            },
        }
    }

    /// Of what runs on a thread's own stack.
    pub(crate) fn elsewhere(mode: Mode) -> Self {
        Self {
            mode,
            ground: GroundKind::ThreadStack,
            ..Self::in_place(0)
        }
    }

    /// What kind of stack, where that may be a C stack.
    pub(crate) fn set_aside_by(&mut self, ground: GroundKind) {
        if self.ground != GroundKind::ThreadStack {
            self.ground = ground;
        }
    }

    /// What it counts as.
    pub(crate) fn call_mode(self) -> CallMode {
        match (self.mode, self.ground) {
            (Mode::Offloaded, _) => CallMode::Offloaded,
            (Mode::Lane, _) => CallMode::Lane,
            (_, GroundKind::Suspendable) => CallMode::Suspendable,
            (_, GroundKind::Migratable) => CallMode::Migratable,
            (_, GroundKind::ThreadStack) => CallMode::ThreadStack,
            (Mode::Brief, GroundKind::CStack) => CallMode::Brief,
            (Mode::Long, GroundKind::CStack) => CallMode::Long,
            (Mode::Cede, GroundKind::CStack) => CallMode::InPlace,
        }
    }

    /// The word for it in spans, events and metrics.
    pub(crate) fn name(self) -> &'static str {
        self.call_mode().name()
    }
}
