//! The future of a callback, type-erased: it lies in a frame of the C stack, and the task side polls it there.

use crate::panic::{Payload, caught};
use std::future::Future;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// What a poll of the erased future came to.
pub(crate) enum Polled {
    /// It is done; its output is in the cell.
    Ready,
    Pending,
    /// It has panicked, and is gone. Boxed once more, so that all of this fits two registers.
    Panicked(Box<Payload>),
}

/// Lies in the frame of [`callback`](crate::callback), pinned there by never being moved: the future until it is done, its
/// output from then on.
pub(super) enum Cell<Fut: Future> {
    Running(Fut),
    Done(Fut::Output),
    Gone,
}

impl<Fut: Future> Cell<Fut> {
    /// # Safety
    ///
    /// The cell is not moved after this, until it holds no future any more.
    unsafe fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        // One catch for both: a future that is done is dropped where it is, which may panic as well.
        let outcome = caught(|| {
            let Self::Running(future) = &mut *self else {
                unreachable!("polled only until it is ready");
            };
            // SAFETY: by this function's contract the future stays where it is.
            match unsafe { Pin::new_unchecked(future) }.poll(cx) {
                Poll::Pending => Polled::Pending,
                Poll::Ready(output) => {
                    *self = Self::Done(output);
                    Polled::Ready
                }
            }
        });
        outcome.unwrap_or_else(|payload| {
            if let Err(second) = self.finish_with(Self::Gone) {
                crate::panic::discard(second);
            }
            Polled::Panicked(Box::new(payload))
        })
    }

    /// Drops the future where it is, and puts `next` in its place.
    pub(super) fn finish_with(&mut self, next: Self) -> Result<(), Payload> {
        caught(|| *self = next)
    }

    pub(super) fn into_output(self) -> Option<Fut::Output> {
        match self {
            Self::Done(output) => Some(output),
            _ => None,
        }
    }
}

/// A cell without its type.
pub(crate) struct Asked {
    cell: NonNull<()>,
    poll: unsafe fn(NonNull<()>, &mut Context<'_>) -> Polled,
}

impl Asked {
    /// # Safety
    ///
    /// The cell stays where it is, and is touched by nobody else, for as long as the result is used.
    #[inline]
    pub(super) unsafe fn new<Fut: Future>(cell: &mut Cell<Fut>) -> Self {
        unsafe fn poll<Fut: Future>(cell: NonNull<()>, cx: &mut Context<'_>) -> Polled {
            // SAFETY: `Asked::new` was given a cell of this type; its contract covers the rest.
            let cell = unsafe { cell.cast::<Cell<Fut>>().as_mut() };
            // SAFETY: as above.
            unsafe { cell.poll(cx) }
        }
        Self {
            cell: NonNull::from(cell).cast(),
            poll: poll::<Fut>,
        }
    }

    /// Polls the future; not again once it is ready or has panicked.
    #[inline]
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Polled {
        // SAFETY: by the contract of `new` the cell is there.
        unsafe { (self.poll)(self.cell, cx) }
    }
}
