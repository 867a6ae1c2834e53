//! What a callback asks for, on its way to a task on another thread.

use super::{Asked, Cell, Polled};
use crate::panic::Payload;
use std::future::Future;
use std::ptr::NonNull;
use std::task::Context;

/// Drops the future in a cell; the panic of its destructor.
pub(crate) type Discard = unsafe fn(NonNull<()>) -> Option<Payload>;

/// # Safety
///
/// `cell` points to a `Cell<Fut>` that nobody else touches meanwhile.
pub(crate) unsafe fn discard<Fut: Future>(cell: NonNull<()>) -> Option<Payload> {
    // SAFETY: by this function's contract.
    let cell = unsafe { cell.cast::<Cell<Fut>>().as_mut() };
    cell.finish_with(Cell::Gone).err()
}

/// The future of a callback, for whoever has this to poll or to drop, on any thread.
pub(crate) struct Posted {
    asked: Asked,
    discard: Discard,
    /// Whether it was found not to be ready.
    was_pending: bool,
}

// SAFETY: by the contract of `new` the future may be polled and dropped on any thread, and so may its output.
unsafe impl Send for Posted {}

impl Posted {
    /// # Safety
    ///
    /// The future that `asked` refers to is `Send`, and so is its output; `discard` is that of its type; and the cell stays where
    /// it is, touched by nobody else, for as long as the result is used.
    pub(crate) unsafe fn new(asked: Asked, discard: Discard) -> Self {
        Self {
            asked,
            discard,
            was_pending: false,
        }
    }

    /// Polls the future; not again once it is ready or has panicked.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Polled {
        self.asked.poll(cx)
    }

    /// Whether it was polled before.
    pub(crate) fn was_pending(&self) -> bool {
        self.was_pending
    }

    /// Notes that it is not ready. Whether that is news.
    pub(crate) fn note_pending(&mut self) -> bool {
        !std::mem::replace(&mut self.was_pending, true)
    }

    /// Drops the future; the panic of its destructor.
    pub(crate) fn discard(self) -> Option<Payload> {
        // SAFETY: by the contract of `new`.
        unsafe { (self.discard)(self.asked.cell) }
    }
}
