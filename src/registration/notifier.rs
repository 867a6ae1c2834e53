//! The thread that wakes readers for those who may not.
//!
//! To wake a task takes the locks of whatever executor it belongs to. So C's threads only unpark this one, which on Linux
//! is an atomic operation and at most one system call (`futex`), and it does the rest. It sleeps while no bell rings.

use super::bell::Bell;
use crate::panic::{caught, discard};
use crate::sync::lock;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::thread::{self, Thread};

/// A reader that can be woken.
pub(super) struct Line {
    bell: Bell,
    /// Not touched by C's threads.
    reader: Mutex<Option<Waker>>,
}

static LINES: Mutex<Vec<Arc<Line>>> = Mutex::new(Vec::new());
static THREAD: OnceLock<Thread> = OnceLock::new();

impl Line {
    /// A line that is listened to until it is [`hung up`](Self::hang_up).
    pub(super) fn new() -> io::Result<Arc<Self>> {
        ensure_running()?;
        let line = Arc::new(Self {
            bell: Bell::new(),
            reader: Mutex::default(),
        });
        lock(&LINES).push(line.clone());
        Ok(line)
    }

    /// Reader: has `waker` woken when the bell rings. To be followed by a look at the queue.
    pub(super) fn wait(&self, waker: &Waker) {
        let mut reader = lock(&self.reader);
        match &mut *reader {
            Some(known) => known.clone_from(waker),
            None => *reader = Some(waker.clone()),
        }
        drop(reader);
        self.bell.wait();
    }

    /// Reader: does not wait after all.
    pub(super) fn quiet(&self) {
        self.bell.quiet();
    }

    /// Any thread: something is there for the reader.
    #[inline]
    pub(super) fn ring(&self) {
        if self.bell.ring() {
            if let Some(thread) = THREAD.get() {
                thread.unpark();
            }
        }
    }

    /// There is no reader any more.
    pub(super) fn hang_up(self: &Arc<Self>) {
        lock(&LINES).retain(|line| !Arc::ptr_eq(line, self));
        // Not under the lock: a waker is anybody's code.
        let reader = lock(&self.reader).take();
        drop(reader);
    }
}

fn ensure_running() -> io::Result<()> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = lock(&STARTING);
    if THREAD.get().is_none() {
        let thread = thread::Builder::new()
            .name("cede-notifier".into())
            .spawn(run)?;
        THREAD.get_or_init(|| thread.thread().clone());
    }
    Ok(())
}

fn run() {
    loop {
        thread::park();
        let rung: Vec<Arc<Line>> = lock(&LINES)
            .iter()
            .filter(|line| line.bell.has_rung())
            .cloned()
            .collect();
        for line in rung {
            let reader = lock(&line.reader).take();
            if let Some(waker) = reader {
                caught(|| waker.wake()).unwrap_or_else(discard);
            }
        }
    }
}
