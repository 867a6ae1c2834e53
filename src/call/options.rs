//! What a call was asked to be like.

use crate::context::Label;
use crate::stack;

/// What the call does with its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub(super) enum GroundKind {
    /// A C stack that is in use until C returns.
    CStack,
    /// A C stack that may be set aside at a callback.
    Suspendable,
    /// The thread's own stack. Has precedence over `Suspendable`.
    ThreadStack,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) label: Label,
    pub(super) stack_size: u32,
    pub(super) mode: Mode,
    pub(super) ground: GroundKind,
}

impl Options {
    pub(super) fn new(label: Label) -> Self {
        Self {
            label,
            stack_size: stack::DEFAULT_SIZE,
            mode: Mode::Cede,
            ground: GroundKind::CStack,
        }
    }
}
