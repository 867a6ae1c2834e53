//! What a call was asked to be like.

use crate::context::Label;
use crate::stack;

/// What the call does with its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// Cede it: the monitor may retake it.
    Cede,
    /// Hand it off at once.
    Long,
    /// Keep it.
    Brief,
}

/// What C runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum GroundKind {
    /// A C stack that is in use until C returns.
    CStack,
    /// A C stack that may be set aside at a callback.
    Suspendable,
    /// The same, for any thread to go on with.
    Migratable,
    /// The thread's own stack. Has precedence over both.
    ThreadStack,
}

#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Options {
    pub(super) label: Label,
    // Together one word, which is written at once.
    pub(super) stack_size: u32,
    pub(super) mode: Mode,
    pub(super) ground: GroundKind,
    pub(super) put_off: PutOff,
}

/// Who has put the call off.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct PutOff {
    /// The number of the scope's poll that has done so last, less all but its last byte: mistaken once in a while, a call is
    /// not put off although it could be.
    pub(super) by_scope: u8,
    /// Whether tokio's budget has.
    pub(super) by_budget: bool,
}

impl Options {
    pub(super) fn new(label: Label) -> Self {
        Self {
            label,
            stack_size: stack::DEFAULT_SIZE,
            mode: Mode::Cede,
            ground: GroundKind::CStack,
            put_off: PutOff::default(),
        }
    }

    /// What kind of stack, where that may be a C stack.
    pub(super) fn set_aside_by(&mut self, ground: GroundKind) {
        if self.ground != GroundKind::ThreadStack {
            self.ground = ground;
        }
    }
}
