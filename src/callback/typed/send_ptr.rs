//! Pointers that may cross threads.

use std::fmt;

/// A raw pointer that is `Send` and `Sync`: for the futures of [`Callback::sendable`](crate::Callback::sendable), and of
/// [`callback`](crate::callback()), which may be polled on another thread than C runs on; and for the handles of C's (`sqlite3 *`) that a
/// task keeps across an `await`, or that the closure of an [offloaded](crate::offload()) call takes along.
///
/// A raw pointer is neither because types cannot say whether what it points to may be used on another thread. To move the
/// pointer there is no harm; to *use* it there takes `unsafe`, and it is that block which answers for it: what it points to
/// is there, is not touched by C before the callback has returned, and does not belong to C's thread alone.
///
/// It is transparent, and so may stand in the signature of a C function instead of the pointer. A pointer to what is constant
/// in C becomes one too; C still wants it constant.
///
/// ```
/// use cede::SendPtr;
/// use std::ffi::c_int;
///
/// let double = cede::Callback::sendable(-1, |number: *mut c_int| {
///     let number = SendPtr::from(number);
///     async move {
///         // SAFETY: C passes a number, and waits for this to return.
///         unsafe { *number.get() *= 2 };
///         0
///     }
/// });
/// # let _ = double.data();
/// ```
#[repr(transparent)]
pub struct SendPtr<T>(*mut T);

// SAFETY: a pointer is a number as far as safe code goes; whoever uses it answers for it.
unsafe impl<T> Send for SendPtr<T> {}

// SAFETY: as above.
unsafe impl<T> Sync for SendPtr<T> {}

impl<T> SendPtr<T> {
    /// Wraps a pointer.
    pub const fn new(pointer: *mut T) -> Self {
        Self(pointer)
    }

    /// The pointer.
    ///
    /// A method and not a field: a closure or future that names a field captures that field alone.
    pub const fn get(self) -> *mut T {
        self.0
    }
}

impl<T> From<*mut T> for SendPtr<T> {
    fn from(pointer: *mut T) -> Self {
        Self(pointer)
    }
}

impl<T> From<*const T> for SendPtr<T> {
    fn from(pointer: *const T) -> Self {
        Self(pointer.cast_mut())
    }
}

impl<T> Clone for SendPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SendPtr<T> {}

impl<T> PartialEq for SendPtr<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for SendPtr<T> {}

impl<T> fmt::Debug for SendPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
