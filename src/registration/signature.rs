//! The signatures that a callback may have: C's parameters, with the user data in front of them or behind.

use std::ffi::c_void;

/// What C calls, without its user data: `fn(A, B) -> R`, with up to eight parameters.
///
/// The parameters and the result are C's types: numbers, pointers, `#[repr(C)]` structs. Implemented for all `fn` types
/// with so many parameters; nothing else can implement it.
pub trait CSignature: sealed::Sealed + Sized + Send + Sync + 'static {
    /// What C gets back.
    type Output;
    /// What C calls if the user data is its first argument: `extern "C" fn(*mut c_void, A, B) -> R`.
    type DataFirst: Copy + Send + Sync;
    /// What C calls if the user data is its last argument: `extern "C" fn(A, B, *mut c_void) -> R`.
    type DataLast: Copy + Send + Sync;
    #[doc(hidden)]
    type Arguments;
    #[doc(hidden)]
    fn data_first<H: Handle<Self>>() -> Self::DataFirst;
    #[doc(hidden)]
    fn data_last<H: Handle<Self>>() -> Self::DataLast;
}

/// A closure that takes what C passes, `Fn(A, B) -> T`, for a [`CSignature`] `fn(A, B) -> R`. Implemented for all such
/// closures; nothing else can implement it.
pub trait Closure<S: CSignature>: sealed::Takes<S> {
    /// What the closure makes of the arguments.
    type Made;
    #[doc(hidden)]
    fn make(&self, arguments: S::Arguments) -> Self::Made;
}

/// What becomes of C's arguments. Must not unwind.
#[doc(hidden)]
pub trait Handle<S: CSignature> {
    fn handle(data: *mut c_void, arguments: S::Arguments) -> S::Output;
}

mod sealed {
    pub trait Sealed {}
    pub trait Takes<S> {}
}

macro_rules! signatures {
    ($(($($P:ident $p:ident)*))*) => {$(
        impl<R: 'static, $($P: 'static),*> sealed::Sealed for fn($($P),*) -> R {}

        impl<R: 'static, $($P: 'static),*> CSignature for fn($($P),*) -> R {
            type Output = R;
            type DataFirst = extern "C" fn(*mut c_void, $($P),*) -> R;
            type DataLast = extern "C" fn($($P,)* *mut c_void) -> R;
            type Arguments = ($($P,)*);

            fn data_first<H: Handle<Self>>() -> Self::DataFirst {
                #[inline(never)]
                extern "C" fn enter<H, R, $($P),*>(data: *mut c_void, $($p: $P),*) -> R
                where
                    R: 'static,
                    $($P: 'static,)*
                    H: Handle<fn($($P),*) -> R>,
                {
                    H::handle(data, ($($p,)*))
                }
                enter::<H, R, $($P),*>
            }

            fn data_last<H: Handle<Self>>() -> Self::DataLast {
                #[inline(never)]
                extern "C" fn enter<H, R, $($P),*>($($p: $P,)* data: *mut c_void) -> R
                where
                    R: 'static,
                    $($P: 'static,)*
                    H: Handle<fn($($P),*) -> R>,
                {
                    H::handle(data, ($($p,)*))
                }
                enter::<H, R, $($P),*>
            }
        }

        impl<F, T, R: 'static, $($P: 'static),*> sealed::Takes<fn($($P),*) -> R> for F
        where
            F: Fn($($P),*) -> T
        {
        }

        impl<F, T, R: 'static, $($P: 'static),*> Closure<fn($($P),*) -> R> for F
        where
            F: Fn($($P),*) -> T
        {
            type Made = T;

            fn make(&self, ($($p,)*): ($($P,)*)) -> T {
                self($($p),*)
            }
        }
    )*};
}

signatures! {
    ()
    (A a)
    (A a B b)
    (A a B b C c)
    (A a B b C c D d)
    (A a B b C c D d E e)
    (A a B b C c D d E e F1 f)
    (A a B b C c D d E e F1 f G g)
    (A a B b C c D d E e F1 f G g H1 h)
}
