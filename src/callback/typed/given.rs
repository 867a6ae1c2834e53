//! Callbacks that C owns, and frees by calling a destructor.

use super::{Callback, Inner, Signature, keep_panic};
use crate::errno;
use crate::panic::caught;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

/// A callback on its way into C's hands, which frees it by calling [`destructor`](Self::destructor) with the user data. Made by
/// [`Callback::give`].
///
/// What the methods return is as for [`Callback`].
pub struct Given<K, D, A> {
    inner: *const Inner<K, D>,
    arguments: PhantomData<fn(A)>,
}

impl<K, D, A> Callback<K, D, A> {
    /// Gives the callback to C, for libraries that take a destructor with the user data, as `sqlite3_create_function_v2` does
    /// with `xDestroy`.
    ///
    /// `register` passes it to C and says who has it: C, from `Ok` on; else it is dropped before this returns.
    /// Mind that libraries differ: after `sqlite3_create_function_v2` C has it even if that has failed, for it has called the
    /// destructor then, and after `sqlite3_create_collation_v2` only if it has not. If `register` panics nobody knows, and the
    /// callback is leaked.
    ///
    /// ```
    /// use std::ffi::{c_int, c_void};
    ///
    /// type Function = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
    /// type Destructor = unsafe extern "C" fn(*mut c_void);
    ///
    /// // A C function: keeps the function until it is closed, and then calls the destructor.
    /// # #[allow(clippy::missing_safety_doc)]
    /// unsafe fn create_function(data: *mut c_void, function: Function, destroy: Destructor) -> c_int
    /// # {
    /// #     unsafe { destroy(data) };
    /// #     0
    /// # }
    ///
    /// let function = cede::Callback::new(-1, async |n: c_int| n + 1);
    /// let registered: Result<(), c_int> = function.give(|given| {
    ///     // SAFETY: C has the callback to itself, and calls the destructor once, as its last use.
    ///     match unsafe { create_function(given.data(), given.data_first(), given.destructor()) } {
    ///         0 => Ok(()),
    ///         code => Err(code),
    ///     }
    /// });
    /// assert_eq!(registered, Ok(()));
    /// ```
    ///
    /// # Safety of what C does
    ///
    /// To the clauses of [`Callback`](Self#safety) comes this: C calls the destructor at most once, with the user data, on any
    /// thread, not while the closure runs or its future is pending, and uses neither afterwards; and not at all after
    /// `register` has returned an error.
    ///
    /// # Panics
    ///
    /// If the closure panics when it is dropped by the destructor, that is kept for the running call to raise, as a panic of
    /// the closure is; outside of a call it is reported.
    ///
    /// # Errors
    ///
    /// The error that `register` returns.
    pub fn give<T, E>(self, register: impl FnOnce(&Given<K, D, A>) -> Result<T, E>) -> Result<T, E>
    where
        K: Send + 'static,
        D: Send + 'static,
    {
        let given = Given {
            inner: Rc::into_raw(self.inner),
            arguments: PhantomData,
        };
        let registered = register(&given);
        if registered.is_err() {
            // SAFETY: C does not have it, so this is its one owner.
            drop(unsafe { Rc::from_raw(given.inner) });
        }
        registered
    }
}

impl<K, D, A> Given<K, D, A> {
    /// As [`Callback::data`]; valid until C has called the destructor.
    #[must_use]
    pub fn data(&self) -> *mut c_void {
        self.inner.cast_mut().cast()
    }

    /// As [`Callback::data_first`].
    #[must_use]
    pub fn data_first(&self) -> A::DataFirst
    where
        A: Signature<K, D>,
    {
        A::data_first()
    }

    /// As [`Callback::data_last`].
    #[must_use]
    pub fn data_last(&self) -> A::DataLast
    where
        A: Signature<K, D>,
    {
        A::data_last()
    }

    /// As [`Callback::data_in`].
    #[must_use]
    pub fn data_in<G>(&self, find: G) -> A::Bare
    where
        A: Signature<K, D>,
        G: Fn(&A) -> *mut c_void + Copy + 'static,
    {
        super::data_in::<K, D, A, G>(find)
    }

    /// What C calls with the user data when it is done with the callback.
    #[must_use]
    pub fn destructor(&self) -> unsafe extern "C" fn(*mut c_void) {
        /// # Safety
        ///
        /// See [`Callback::give`].
        unsafe extern "C" fn destroy<K, D>(data: *mut c_void) {
            let _errno = errno::Keep::new();
            let inner: *const Inner<K, D> = data.cast_const().cast();
            // SAFETY: it is from `Rc::into_raw`, and C, which owns it, does so no longer.
            let inner = unsafe { Rc::from_raw(inner) };
            if let Err(payload) = caught(|| drop(inner)) {
                keep_panic(payload);
            }
        }
        destroy::<K, D>
    }
}

impl<K, D, A> fmt::Debug for Given<K, D, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Given").field(&self.data()).finish()
    }
}
