//! C's `errno`: read after a call, kept across everything that we put between two of C's instructions.

mod c_return;

pub use c_return::CReturn;

use std::fmt;
use std::io;
use std::ptr::null_mut;

/// The value that `errno` had when a C function returned.
///
/// Part of a call's result with [`Call::with_errno`](crate::Call::with_errno), as in cgo's `r, err := C.f()`. Zero means
/// that C reported nothing. As ever with C, a value other than zero tells of an error only if the function says that it
/// failed; [`Call::or_errno`](crate::Call::or_errno) looks at both.
///
/// ```
/// # futures::executor::block_on(async {
/// let (fd, errno) = cede::call(|| unsafe { libc::open(c"/does/not/exist".as_ptr(), libc::O_RDONLY) })
///     .with_errno()
///     .await;
/// assert_eq!(fd, -1);
/// assert_eq!(errno.raw(), libc::ENOENT);
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// The number, as in `errno.h`.
    pub fn raw(self) -> i32 {
        self.0
    }

    /// Whether C reported nothing.
    pub fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// The calling thread's errno, now.
    ///
    /// Out of line, as is `set`: C may be on another thread by then, and a compiler that has seen an errno's address in a
    /// function may use it again.
    #[inline(never)]
    pub(crate) fn current() -> Self {
        // SAFETY: the location is this thread's errno.
        Self(unsafe { *location() })
    }

    /// Makes this the calling thread's errno.
    #[inline(never)]
    pub(crate) fn set(self) {
        // SAFETY: the location is this thread's errno, and no reference to it is held anywhere.
        unsafe { *location() = self.0 }
    }
}

/// `f`, and the errno that it has left.
pub(crate) fn reported<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> (R, Errno) {
    move || {
        Errno::default().set();
        let returned = f();
        (returned, Errno::current())
    }
}

/// `f`, with its failures told by errno.
pub(crate) fn checked<R: CReturn>(f: impl FnOnce() -> R) -> impl FnOnce() -> io::Result<R::Value> {
    move || {
        let returned = f();
        let errno = Errno::current();
        returned.succeeded().ok_or_else(|| errno.into())
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

/// Restores errno when it is dropped, so that C does not see what Rust did to it in between. The thread may be another one by then.
#[must_use]
pub(crate) struct Keep {
    errno: Errno,
    /// Where this thread's errno is; null if the thread may be another one when this is dropped.
    location: *mut i32,
}

impl Keep {
    #[inline]
    pub(crate) fn new() -> Self {
        Self::on(true)
    }

    /// `changes_threads` says whether the stack that this lies on may be left, and gone on with by another thread. If not, errno is
    /// found once.
    #[inline]
    pub(crate) fn on(changes_threads: bool) -> Self {
        let location = location();
        Self {
            // SAFETY: the location is this thread's errno.
            errno: Errno(unsafe { *location }),
            location: if changes_threads {
                null_mut()
            } else {
                location
            },
        }
    }
}

impl Drop for Keep {
    #[inline]
    fn drop(&mut self) {
        if self.location.is_null() {
            self.errno.set();
        } else {
            // SAFETY: this thread's errno, as in `on`.
            unsafe { *self.location = self.errno.0 };
        }
    }
}

#[cfg(any(
    target_os = "linux",
    target_os = "emscripten",
    target_os = "redox",
    target_os = "hurd"
))]
#[inline]
fn location() -> *mut i32 {
    // SAFETY: takes nothing, and is always there.
    unsafe { libc::__errno_location() }
}

#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
#[inline]
fn location() -> *mut i32 {
    // SAFETY: takes nothing, and is always there.
    unsafe { libc::__error() }
}

#[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
#[inline]
fn location() -> *mut i32 {
    // SAFETY: takes nothing, and is always there.
    unsafe { libc::__errno() }
}
