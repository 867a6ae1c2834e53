//! How long to measure.

#[derive(Clone, Copy)]
pub(crate) enum Effort {
    /// For figures.
    Full,
    /// For the answers only: everything once, in a moment.
    Quick,
}

impl Effort {
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Effort::Full => full,
            Effort::Quick => quick,
        }
    }
}
