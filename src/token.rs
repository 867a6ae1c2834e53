//! Tokens: Rust values that C may hold.
//!
//! `table` keeps the values, [`life`] says who may touch one and when.

mod error;
mod life;
pub(crate) mod table;

pub use error::TokenError;

use std::ffi::c_void;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{NonNull, without_provenance_mut};
use std::sync::Arc;
use table::Held;

/// Stands for a Rust value wherever C has a `void *` or `uintptr_t` to spare: cgo's `Handle`.
///
/// A token is a number, not a pointer. What C gives back is *looked up*: a token whose value was taken, that was taken twice,
/// that C has made up, or that stands for a value of another type is a [`TokenError`], never undefined behaviour.
///
/// ```
/// use cede::Token;
/// use std::ffi::c_void;
///
/// #[derive(Debug)]
/// struct Session { name: String }
///
/// extern "C" fn on_event(user_data: *mut c_void) -> i32 {
///     match Token::<Session>::from_ptr(user_data).get() {
///         Ok(session) => session.name.len() as i32,
///         Err(_) => -1,
///     }
/// }
///
/// let token = Token::new(Session { name: "first".into() });
/// assert_eq!(on_event(token.as_ptr()), 5);
///
/// let session = token.take().unwrap();
/// assert_eq!(session.name, "first");
/// assert_eq!(on_event(token.as_ptr()), -1);
/// assert!(token.get().unwrap_err().is_stale());
/// ```
///
/// # Life
///
/// `Copy`, and without a destructor, since C has copies that Rust knows nothing of: the value stays until [`take`](Self::take).
/// A token that is never taken leaks its value. No token is ever equal to an earlier one of the process: a place in the
/// table is given up after 2^32 values. (On 32-bit processors after 2^16, and there are at most 32,767 tokens at a time.)
///
/// # Threads
///
/// May be used on any thread, also in a real-time one: [`get`](Self::get) takes no lock, allocates nothing and waits for
/// nobody. [`new`](Self::new) and [`take`](Self::take) take a lock and may allocate. None of them may be called by a signal
/// handler.
///
/// # Panics and errno
///
/// If the value's destructor panics where a guard's drop runs it, the panic is swallowed after the panic hook has
/// reported it. errno may change.
#[repr(transparent)]
pub struct Token<T> {
    raw: usize,
    _of: PhantomData<fn() -> T>,
}

impl<T> Token<T>
where
    T: Send + Sync + 'static,
{
    /// Keeps the value, and makes a token for it.
    ///
    /// # Panics
    ///
    /// If 2^31 - 1 values are kept.
    #[must_use = "the value is leaked unless the token is taken"]
    pub fn new(value: T) -> Self {
        Self::from(Arc::new(value))
    }

    /// The value, which stays until the guard drops, whoever takes it meanwhile.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if the token stands for no value, or for one of another type.
    #[inline]
    pub fn get(self) -> Result<TokenGuard<T>, TokenError> {
        let held = table::hold(self.raw)?;
        let value = NonNull::from(held.downcast::<T>()?);
        Ok(TokenGuard { value, _held: held })
    }

    /// Takes the value: the token is stale from here on. Of several that try, one succeeds.
    ///
    /// Guards that are alive keep theirs; [`Arc::into_inner`] gives the value itself when they are gone.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if the token stands for no value, or for one of another type, which then stays.
    pub fn take(self) -> Result<Arc<T>, TokenError> {
        let held = table::hold(self.raw)?;
        held.downcast::<T>()?;
        let value = Arc::clone(held.value());
        if !table::end(held.key()) {
            return Err(TokenError::STALE);
        }
        // The table's own share goes with the last guard, which may be this one.
        drop(held);
        Ok(value.downcast().expect("of this type, as was just seen"))
    }
}

impl<T> From<Arc<T>> for Token<T>
where
    T: Send + Sync + 'static,
{
    /// As [`Token::new`], for a value that is shared already.
    fn from(value: Arc<T>) -> Self {
        Self::from_raw(table::insert(value).raw())
    }
}

impl<T> Token<T> {
    /// As C's `void *`. Never null, and never the address of anything.
    pub fn as_ptr(self) -> *mut c_void {
        without_provenance_mut(self.raw)
    }

    /// As C's `uintptr_t`. Never zero.
    pub fn as_raw(self) -> usize {
        self.raw
    }

    /// The token that C gives back. Any pointer will do: it is looked up when the token is used.
    pub fn from_ptr(pointer: *mut c_void) -> Self {
        Self::from_raw(pointer.addr())
    }

    /// The token that C gives back. Any number will do: it is looked up when the token is used.
    pub fn from_raw(raw: usize) -> Self {
        Self {
            raw,
            _of: PhantomData,
        }
    }
}

impl<T> Clone for Token<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Token<T> {}

impl<T> PartialEq for Token<T> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<T> Eq for Token<T> {}

impl<T> Hash for Token<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl<T> fmt::Debug for Token<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:#x})", self.raw)
    }
}

/// The value of a [`Token`], kept until this drops. Made by [`Token::get`].
#[must_use = "the value may be gone when the guard is"]
pub struct TokenGuard<T> {
    /// Points into what `_held` keeps.
    value: NonNull<T>,
    _held: Held,
}

// SAFETY: a shared reference in all but name; what it refers to is `Send` and `Sync`, or it could not have been made.
unsafe impl<T: Send + Sync> Send for TokenGuard<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for TokenGuard<T> {}

impl<T> Deref for TokenGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the value stays where it is for as long as it is held, and is only shared.
        unsafe { self.value.as_ref() }
    }
}

impl<T: fmt::Debug> fmt::Debug for TokenGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
