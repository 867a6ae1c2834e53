//! What C is told, and what becomes of events that there is no room for.

/// What becomes of an event for which there is no room. However it is, it is counted ([`Events::dropped`](crate::Events::dropped)).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is dropped, and C is told ([`Reply::refused`]).
    Refuse,
    /// The oldest event makes room for it.
    DropOldest,
    /// It is dropped, and C is not told.
    DropNewest,
}

/// What C's function returns, for callbacks that only note an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<R> {
    /// The event was taken.
    pub taken: R,
    /// It was not: there is no room ([`Overflow::Refuse`]), nobody reads any more, the registration has ended, or the
    /// closure has panicked.
    pub refused: R,
}

impl Reply<()> {
    /// For callbacks that return nothing.
    pub const VOID: Self = Self {
        taken: (),
        refused: (),
    };
}
