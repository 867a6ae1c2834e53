//! The future of a callback, type-erased: it lies in a frame of the C stack, and the task side polls it there.

mod posted;

pub(crate) use posted::{Discard, Posted, discard};

use crate::error::Refused;
use crate::panic::{Payload, caught};
use crate::stack::{Job, Outcome, Run};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// What C is told: that the cell has an output, or why it has none.
pub(crate) type Answer = Result<(), Refused>;

/// What a poll of the erased future came to.
pub(crate) enum Polled {
    /// It is done; its output is in the cell.
    Ready,
    Pending,
    /// It has panicked, and is gone.
    Panicked(Payload),
}

/// Lies in the frame of [`callback`](crate::callback), pinned there by never being moved: the future until it is done, its
/// output from then on.
pub(crate) enum Cell<Fut: Future> {
    Running(Fut),
    Done(Fut::Output),
    Gone,
}

impl<Fut: Future> Cell<Fut> {
    /// `true` once the future is done; its output is in the cell from then on. Panicked, it is gone.
    ///
    /// # Safety
    ///
    /// The cell is not moved after this, until it holds no future any more.
    #[inline]
    unsafe fn poll(&mut self, cx: &mut Context<'_>) -> Result<bool, Payload> {
        // One catch for both: a future that is done is dropped where it is, which may panic as well.
        let outcome = caught(|| {
            let Self::Running(future) = &mut *self else {
                unreachable!("polled only until it is ready");
            };
            // SAFETY: by this function's contract the future stays where it is.
            match unsafe { Pin::new_unchecked(future) }.poll(cx) {
                Poll::Pending => false,
                Poll::Ready(output) => {
                    *self = Self::Done(output);
                    true
                }
            }
        });
        outcome.inspect_err(|_| {
            if let Err(second) = self.finish_with(Self::Gone) {
                crate::panic::discard(second);
            }
        })
    }

    /// Drops the future where it is, and puts `next` in its place.
    pub(crate) fn finish_with(&mut self, next: Self) -> Result<(), Payload> {
        caught(|| *self = next)
    }

    /// The output, after the poll that was the last one.
    ///
    /// The output alone is read, not the whole cell: that was written in parts a moment ago, and to read it as a whole would wait
    /// until the last of them has left the processor's store buffer.
    #[inline(always)]
    pub(crate) fn into_output(self) -> Fut::Output {
        let this = ManuallyDrop::new(self);
        let Self::Done(output) = &*this else {
            unreachable!("an answered future has an output");
        };
        // SAFETY: moved out, once; what it is moved out of is never dropped.
        unsafe { std::ptr::read(output) }
    }
}

/// A cell without its type.
pub(crate) struct Asked {
    cell: NonNull<()>,
    /// Takes an [`Errand`].
    poll: Run,
}

/// One poll: what it needs and what it came to, at hand wherever it takes place.
struct Errand<'a, 'b> {
    cell: NonNull<()>,
    cx: &'a mut Context<'b>,
    is_ready: bool,
}

impl Asked {
    /// # Safety
    ///
    /// The cell stays where it is, and is touched by nobody else, for as long as the result is used.
    #[inline]
    pub(crate) unsafe fn new<Fut: Future>(cell: &mut Cell<Fut>) -> Self {
        /// # Safety
        ///
        /// `errand` points to an errand whose cell holds a `Fut`.
        unsafe extern "C" fn poll<Fut: Future>(errand: *mut ()) -> Outcome {
            // SAFETY: by this function's contract.
            let errand = unsafe { &mut *errand.cast::<Errand<'_, '_>>() };
            // SAFETY: `Asked::new` was given a cell of this type; its contract covers the rest.
            let cell = unsafe { errand.cell.cast::<Cell<Fut>>().as_mut() };
            // SAFETY: as above.
            match unsafe { cell.poll(errand.cx) } {
                Ok(is_ready) => {
                    errand.is_ready = is_ready;
                    Outcome::RETURNED
                }
                Err(payload) => Outcome::panicked(payload),
            }
        }
        Self {
            cell: NonNull::from(cell).cast(),
            poll: poll::<Fut>,
        }
    }

    /// Polls the future; not again once it is ready or has panicked.
    #[inline]
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Polled {
        // SAFETY: the cell is there by the contract of `new`.
        self.poll_by(cx, |job| unsafe { (job.run)(job.argument) })
    }

    /// As [`poll`](Self::poll), with the future polled by `run`, which runs its job.
    #[inline(always)]
    pub(crate) fn poll_by(&self, cx: &mut Context<'_>, run: impl FnOnce(Job) -> Outcome) -> Polled {
        let mut errand = Errand {
            cell: self.cell,
            cx,
            is_ready: false,
        };
        let outcome = run(Job {
            run: self.poll,
            argument: (&raw mut errand).cast(),
        });
        if outcome.has_returned() && errand.is_ready {
            return Polled::Ready;
        }
        outcome
            .into_panic()
            .map_or(Polled::Pending, Polled::Panicked)
    }
}
