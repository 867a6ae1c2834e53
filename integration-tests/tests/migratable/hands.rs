//! Threads that poll what they are given.

use cede_integration_tests::under_c;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread::{JoinHandle, spawn};

type Work = Box<dyn FnOnce() + Send>;

/// A thread that does what it is told, until it is dropped.
pub(crate) struct Hand {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    pub(crate) fn new() -> Self {
        let (work, orders) = channel::<Work>();
        Self {
            work: Some(work),
            thread: Some(spawn(move || orders.iter().for_each(|work| work()))),
        }
    }

    /// Does something, and waits until it is done. Must not panic.
    pub(crate) fn run<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let work = Box::new(move || answer.send(f()).unwrap());
        self.work.as_ref().unwrap().send(work).unwrap();
        answered.recv().unwrap()
    }

    /// Polls once.
    pub(crate) fn poll<F>(&self, mut future: Pin<Box<F>>) -> (Pin<Box<F>>, Poll<F::Output>)
    where
        F: Future + Send + 'static + ?Sized,
        F::Output: Send,
    {
        self.run(move || {
            let polled = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            (future, polled)
        })
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        drop(self.work.take());
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// The calling thread's id, asked of the kernel each time.
pub(crate) fn thread() -> i32 {
    // SAFETY: always succeeds.
    unsafe { libc::gettid() }
}

/// Is ready when it is polled for the second time.
pub(crate) async fn once() {
    let mut polled = false;
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut polled, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Waits in a callback for so many polls to pass.
pub(crate) fn wait(polls: usize) -> Result<(), cede::Refused> {
    under_c(|| {
        cede::callback(async move {
            for _ in 0..polls {
                once().await;
            }
        })
    })
}
