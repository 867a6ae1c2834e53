//! What depends on how many parameters a callback has: how its closure is called, and its trampolines.

use super::bare::run_bare;
use super::kind::{Exclusive, Sendable, Shared, make};
use super::leaf::{Leaf, SharedLeaf};
use super::logging::Logging;
use super::{Fallback, Inner, run};
use crate::c_log::CLog;
use crate::callback::{callback, run_local};
use crate::error::Refused;
use std::ffi::c_void;
use std::future::Future;

/// A kind of closure, which takes the arguments `A`, a tuple. Implemented for every kind and up to eight arguments.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called back with arguments like these",
    note = "the closure's parameters must have their types written down, and be eight at most",
    note = "`new` takes an `AsyncFnMut`, `shared` an `AsyncFn`, `sendable` an `FnMut` that returns a `Send` future, \
            `leaf` an `FnMut`, `shared_leaf` an `Fn` that is `Sync`, `CLog::callback` one whose first parameter is a `&CLog`"
)]
pub trait Body<A> {
    /// What the closure returns to C.
    type Output;

    /// Runs the closure, for C. Does not unwind.
    #[doc(hidden)]
    fn run(&self, arguments: A) -> Result<Self::Output, Refused>;
}

/// The C signatures of a callback with the arguments `Self`, a tuple. Implemented for up to eight.
pub trait Signature<K, D>: Sized {
    /// `unsafe extern "C" fn(*mut c_void, …) -> R`.
    type DataFirst;
    /// `unsafe extern "C" fn(…, *mut c_void) -> R`.
    type DataLast;
    /// `unsafe extern "C" fn(…) -> R`.
    type Bare;

    #[doc(hidden)]
    fn data_first() -> Self::DataFirst;
    #[doc(hidden)]
    fn data_last() -> Self::DataLast;
    #[doc(hidden)]
    fn data_in<G: Fn(&Self) -> *mut c_void + Copy>() -> Self::Bare;
    #[doc(hidden)]
    fn bare() -> Self::Bare
    where
        D: Clone + Sync + 'static;
}

macro_rules! bodies {
    ($($A:ident $a:ident),*) => {
        impl<Clo, R, $($A),*> Body<($($A,)*)> for Exclusive<Clo>
        where
            Clo: AsyncFnMut($($A),*) -> R,
        {
            type Output = R;

            #[inline(always)]
            fn run(&self, ($($a,)*): ($($A,)*)) -> Result<R, Refused> {
                let (errno, mut entered) = self.enter()?;
                let closure = &mut *entered;
                run_local(&errno, make(move || closure($($a),*))?)
            }
        }

        impl<Clo, R, $($A),*> Body<($($A,)*)> for Shared<Clo>
        where
            Clo: AsyncFn($($A),*) -> R,
        {
            type Output = R;

            #[inline(always)]
            fn run(&self, ($($a,)*): ($($A,)*)) -> Result<R, Refused> {
                let (errno, closure) = self.enter()?;
                run_local(&errno, make(move || closure($($a),*))?)
            }
        }

        impl<Clo, Fut, $($A),*> Body<($($A,)*)> for Sendable<Clo>
        where
            Clo: FnMut($($A),*) -> Fut,
            Fut: Future + Send,
            Fut::Output: Send,
        {
            type Output = Fut::Output;

            #[inline(always)]
            fn run(&self, ($($a,)*): ($($A,)*)) -> Result<Fut::Output, Refused> {
                let (_errno, mut entered) = self.enter()?;
                let future = make(|| entered($($a),*))?;
                // C may call again while the future is pending.
                drop(entered);
                callback(future)
            }
        }

        impl<Clo, R, $($A),*> Body<($($A,)*)> for Leaf<Clo>
        where
            Clo: FnMut($($A),*) -> R,
        {
            type Output = R;

            #[inline(always)]
            fn run(&self, ($($a,)*): ($($A,)*)) -> Result<R, Refused> {
                self.run_with(move |closure| closure($($a),*))
            }
        }

        impl<Clo, R, $($A),*> Body<($($A,)*)> for SharedLeaf<Clo>
        where
            Clo: Fn($($A),*) -> R + Sync,
        {
            type Output = R;

            #[inline(always)]
            fn run(&self, ($($a,)*): ($($A,)*)) -> Result<R, Refused> {
                self.run_with(move |closure| closure($($a),*))
            }
        }

        impl<Clo, R, $($A),*> Body<($($A,)*)> for Logging<Clo>
        where
            Clo: Fn(&CLog $(, $A)*) -> R + Sync,
        {
            type Output = R;

            #[inline(always)]
            fn run(&self, ($($a,)*): ($($A,)*)) -> Result<R, Refused> {
                self.run_with(move |closure, log| closure(log $(, $a)*))
            }
        }
    };
}

// Never inlined: C calls them by their address, and Rust that does so under a call that changes threads must not find
// thread-locals for them once and for all (see `here`).
macro_rules! trampolines {
    ($($A:ident $a:ident),*) => {
        impl<K, D, $($A),*> Signature<K, D> for ($($A,)*)
        where
            K: Body<($($A,)*)>,
            D: Fallback<($($A,)*), K::Output>,
        {
            type DataFirst = unsafe extern "C" fn(*mut c_void, $($A),*) -> K::Output;
            type DataLast = unsafe extern "C" fn($($A,)* *mut c_void) -> K::Output;
            type Bare = unsafe extern "C" fn($($A),*) -> K::Output;

            fn data_first() -> Self::DataFirst {
                #[inline(never)]
                unsafe extern "C" fn trampoline<K, D, $($A),*>(
                    data: *mut c_void,
                    $($a: $A),*
                ) -> K::Output
                where
                    K: Body<($($A,)*)>,
                    D: Fallback<($($A,)*), K::Output>,
                {
                    let inner: *const Inner<K, D> = data.cast_const().cast();
                    // SAFETY: by the contract of `Callback`, which C keeps.
                    unsafe { run(inner, ($($a,)*)) }
                }
                trampoline::<K, D, $($A),*>
            }

            fn data_last() -> Self::DataLast {
                #[inline(never)]
                unsafe extern "C" fn trampoline<K, D, $($A),*>(
                    $($a: $A,)*
                    data: *mut c_void,
                ) -> K::Output
                where
                    K: Body<($($A,)*)>,
                    D: Fallback<($($A,)*), K::Output>,
                {
                    let inner: *const Inner<K, D> = data.cast_const().cast();
                    // SAFETY: by the contract of `Callback`, which C keeps.
                    unsafe { run(inner, ($($a,)*)) }
                }
                trampoline::<K, D, $($A),*>
            }

            fn data_in<G: Fn(&Self) -> *mut c_void + Copy>() -> Self::Bare {
                #[inline(never)]
                unsafe extern "C" fn trampoline<K, D, G, $($A),*>($($a: $A),*) -> K::Output
                where
                    K: Body<($($A,)*)>,
                    D: Fallback<($($A,)*), K::Output>,
                    G: Fn(&($($A,)*)) -> *mut c_void + Copy,
                {
                    let arguments = ($($a,)*);
                    // SAFETY: `Callback::data_in` was given a `G`, and has seen that it has no bytes; it is `Copy`.
                    let find = unsafe { std::ptr::NonNull::<G>::dangling().read() };
                    let inner: *const Inner<K, D> = find(&arguments).cast_const().cast();
                    // SAFETY: by the contract of `Callback`, which C keeps.
                    unsafe { run(inner, arguments) }
                }
                trampoline::<K, D, G, $($A),*>
            }

            fn bare() -> Self::Bare
            where
                D: Clone + Sync + 'static,
            {
                #[inline(never)]
                unsafe extern "C" fn trampoline<K, D, $($A),*>($($a: $A),*) -> K::Output
                where
                    K: Body<($($A,)*)>,
                    D: Fallback<($($A,)*), K::Output> + Clone + Sync + 'static,
                {
                    // SAFETY: by the contract of `Callback`, which C keeps.
                    unsafe { run_bare::<K, D, ($($A,)*)>(($($a,)*)) }
                }
                trampoline::<K, D, $($A),*>
            }
        }
    };
}

macro_rules! arities {
    ($($A:ident $a:ident),*) => {
        bodies!($($A $a),*);
        trampolines!($($A $a),*);
    };
}

arities!();
arities!(A1 a1);
arities!(A1 a1, A2 a2);
arities!(A1 a1, A2 a2, A3 a3);
arities!(A1 a1, A2 a2, A3 a3, A4 a4);
arities!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5);
arities!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6);
arities!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6, A7 a7);
arities!(A1 a1, A2 a2, A3 a3, A4 a4, A5 a5, A6 a6, A7 a7, A8 a8);
