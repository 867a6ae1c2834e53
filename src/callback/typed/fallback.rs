//! What C gets if a callback has no answer.

use crate::error::Refused;

/// What C gets if a callback has no answer of its own. Implemented by [`Value`], [`Function`] and [`OfArguments`], which
/// [`IntoFallback`] makes.
pub trait Fallback<A, R> {
    /// What it needs of the arguments, which go to the closure.
    #[doc(hidden)]
    type Kept;

    #[doc(hidden)]
    fn keep(&self, arguments: &A) -> Self::Kept;

    /// The answer, given why there is no other.
    #[doc(hidden)]
    fn get(&self, why: Refused, kept: Self::Kept) -> R;
}

/// What a [`Callback`](crate::Callback) takes for a fallback: a value that is `Copy`; a function of [`Refused`]; or a function of
/// [`Refused`] and the arguments, as a tuple, for C that is told of an error by way of these. Functions are `Sync`, since C
/// may be refused on any thread.
///
/// ```
/// use cede::{Callback, Refused};
///
/// let value = Callback::new(-1, async |n: i32| n);
/// let function = Callback::new(
///     |why: Refused| if why == Refused::Cancelled { -2 } else { -1 },
///     async |n: i32| n,
/// );
/// let of_arguments = Callback::new(
///     // SAFETY: C passes the address of its error code.
///     |_: Refused, (_, error): (i32, *mut i32)| unsafe { *error = 1 },
///     async |n: i32, error: *mut i32| (),
/// );
/// # let _ = (value.data(), function.data(), of_arguments.data());
/// ```
///
/// `M` is [`ByValue`], [`ByFunction`] or [`ByArguments`], whichever fits; it is there so that the compiler can tell them
/// apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no fallback for a callback that returns `{R}`",
    note = "a fallback is a `Copy` value of what the closure returns, an `Fn(Refused) -> {R} + Sync`, \
            or an `Fn(Refused, {A}) -> {R} + Sync`"
)]
pub trait IntoFallback<A, R, M> {
    /// What it becomes.
    type Fallback: Fallback<A, R>;

    /// Makes it one.
    fn into_fallback(self) -> Self::Fallback;
}

/// A fallback was given as a value.
#[derive(Debug)]
pub enum ByValue {}

/// A fallback was given as a function.
#[derive(Debug)]
pub enum ByFunction {}

/// A fallback was given as a function of the arguments.
#[derive(Debug)]
pub enum ByArguments {}

/// A fallback that is a value.
#[derive(Clone, Debug)]
pub struct Value<R>(R);

// SAFETY: the value is never referred to from outside, only copied out to C, which has no notion of `Send`. A type that is
// `Copy` has no interior to be changed while it is copied.
unsafe impl<R: Copy> Send for Value<R> {}

// SAFETY: as above.
unsafe impl<R: Copy> Sync for Value<R> {}

impl<A, R: Copy> Fallback<A, R> for Value<R> {
    type Kept = ();

    #[inline]
    fn keep(&self, _: &A) {}

    #[inline]
    fn get(&self, _: Refused, (): ()) -> R {
        self.0
    }
}

impl<A, R: Copy> IntoFallback<A, R, ByValue> for R {
    type Fallback = Value<R>;

    fn into_fallback(self) -> Value<R> {
        Value(self)
    }
}

/// A fallback that is a function.
#[derive(Clone, Debug)]
pub struct Function<F>(F);

impl<A, R, F: Fn(Refused) -> R> Fallback<A, R> for Function<F> {
    type Kept = ();

    #[inline]
    fn keep(&self, _: &A) {}

    #[inline]
    fn get(&self, why: Refused, (): ()) -> R {
        (self.0)(why)
    }
}

impl<A, R, F: Fn(Refused) -> R + Sync> IntoFallback<A, R, ByFunction> for F {
    type Fallback = Function<F>;

    fn into_fallback(self) -> Function<F> {
        Function(self)
    }
}

/// A fallback that is a function of the arguments.
#[derive(Clone, Debug)]
pub struct OfArguments<F>(F);

impl<A: Copy, R, F: Fn(Refused, A) -> R> Fallback<A, R> for OfArguments<F> {
    type Kept = A;

    #[inline]
    fn keep(&self, arguments: &A) -> A {
        *arguments
    }

    #[inline]
    fn get(&self, why: Refused, arguments: A) -> R {
        (self.0)(why, arguments)
    }
}

impl<A: Copy, R, F: Fn(Refused, A) -> R + Sync> IntoFallback<A, R, ByArguments> for F {
    type Fallback = OfArguments<F>;

    fn into_fallback(self) -> OfArguments<F> {
        OfArguments(self)
    }
}
