//! What C functions return when they have failed and left the reason in errno.

use std::ptr::NonNull;

/// A C return type with a value that means "failed, see errno".
///
/// Signed integers: `-1`. Unsigned integers: all bits set, which is what `(size_t)-1` is. Pointers: `NULL`
/// (`mmap` and `shmat`, which fail with `(void *)-1`, are not covered: compare yourself, and use
/// [`Call::with_errno`](crate::Call::with_errno)). Functions that return the error itself, as `pthread_create` does, do not
/// set errno and have no use for this trait.
///
/// May be implemented for types of your own.
pub trait CReturn {
    /// What is left when failure is ruled out.
    type Value;

    /// The value, or `None` if the function has failed.
    fn succeeded(self) -> Option<Self::Value>;
}

macro_rules! fails_with_all_bits_set {
    ($($int:ty)*) => {$(
        impl CReturn for $int {
            type Value = $int;
            fn succeeded(self) -> Option<$int> {
                (self != !0).then_some(self)
            }
        }
    )*};
}

fails_with_all_bits_set!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

impl<T> CReturn for *mut T {
    type Value = NonNull<T>;
    fn succeeded(self) -> Option<NonNull<T>> {
        NonNull::new(self)
    }
}

impl<T> CReturn for *const T {
    type Value = *const T;
    fn succeeded(self) -> Option<*const T> {
        (!self.is_null()).then_some(self)
    }
}

impl<T> CReturn for Option<NonNull<T>> {
    type Value = NonNull<T>;
    fn succeeded(self) -> Option<NonNull<T>> {
        self
    }
}
