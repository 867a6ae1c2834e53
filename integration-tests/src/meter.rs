//! How many tasks are being polled at a moment.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// Counts the tasks that run Rust code now, and the most there were.
#[derive(Debug, Default)]
pub struct Meter {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Meter {
    /// A meter that nobody is in.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The most tasks there were at a moment.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Counts the task that `body` makes, which is given its seat: in every poll, from the first
    /// instruction to the last, except while the seat is left.
    pub fn count<F: Future>(self: &Arc<Self>, body: impl FnOnce(Seat) -> F) -> Counted<F> {
        let seat = Seat {
            meter: self.clone(),
            taken: Arc::default(),
        };
        Counted {
            future: Box::pin(body(seat.clone())),
            seat,
        }
    }
}

/// The place of one task in a [`Meter`].
#[derive(Clone, Debug)]
pub struct Seat {
    meter: Arc<Meter>,
    taken: Arc<AtomicBool>,
}

impl Seat {
    /// The task runs Rust code from here on.
    pub fn take(&self) {
        if !self.taken.swap(true, Ordering::SeqCst) {
            let now = self.meter.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.meter.most.fetch_max(now, Ordering::SeqCst);
        }
    }

    /// The task is in C from here on.
    pub fn leave(&self) {
        if self.taken.swap(false, Ordering::SeqCst) {
            self.meter.now.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Awaits a call, during whose polls the task is not counted: a call gives its slot away before
    /// C begins, and goes on for a few instructions after C has returned without it.
    pub async fn call<R>(&self, call: impl Future<Output = R>) -> R {
        let mut call = pin!(call);
        poll_fn(|cx| {
            self.leave();
            let polled = call.as_mut().poll(cx);
            if polled.is_ready() {
                self.take();
            }
            polled
        })
        .await
    }
}

/// A task that is counted. Made by [`Meter::count`].
#[derive(Debug)]
pub struct Counted<F> {
    future: Pin<Box<F>>,
    seat: Seat,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.seat.take();
        let polled = self.future.as_mut().poll(cx);
        self.seat.leave();
        polled
    }
}
