//! C that sits in a system call until it is released.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// A pipe that C reads from.
#[derive(Debug)]
pub struct Held {
    read: OwnedFd,
    write: OwnedFd,
    thread: AtomicI32,
}

impl Default for Held {
    fn default() -> Self {
        Self::new()
    }
}

impl Held {
    /// # Panics
    ///
    /// If there are no descriptors.
    #[must_use]
    pub fn new() -> Self {
        let mut ends = [0; 2];
        // SAFETY: two descriptors are written.
        let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
        assert_eq!(made, 0, "no descriptors");
        // SAFETY: just made, and nobody else's.
        let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        Self {
            read,
            write,
            thread: AtomicI32::new(0),
        }
    }

    /// Blocks in `read` until there is a byte for it.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn wait(&self) {
        // SAFETY: takes nothing.
        let own = unsafe { libc::gettid() };
        self.thread.store(own, Ordering::Relaxed);
        let mut byte = 0_u8;
        // SAFETY: one byte is written.
        let read = unsafe { libc::read(self.read.as_raw_fd(), (&raw mut byte).cast(), 1) };
        assert_eq!(read, 1);
    }

    /// Has one `wait` return.
    ///
    /// # Panics
    ///
    /// If the pipe is full.
    pub fn release(&self) {
        // SAFETY: one byte is read.
        let written = unsafe { libc::write(self.write.as_raw_fd(), [1_u8].as_ptr().cast(), 1) };
        assert_eq!(written, 1);
    }

    /// The thread that has waited last.
    #[must_use]
    pub fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }
}
