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

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) label: Label,
    pub(super) stack_size: usize,
    pub(super) mode: Mode,
    pub(super) on_thread_stack: bool,
    pub(super) suspendable: bool,
}

impl Options {
    pub(super) fn new(label: Label) -> Self {
        Self {
            label,
            stack_size: stack::DEFAULT_SIZE,
            mode: Mode::Cede,
            on_thread_stack: false,
            suspendable: false,
        }
    }
}
