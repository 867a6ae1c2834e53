//! The ways to run C, in one word each.

/// What a call was asked to be like, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CallMode {
    InPlace,
    Long,
    Brief,
    Suspendable,
    Migratable,
    ThreadStack,
    Offloaded,
    Lane,
}

impl CallMode {
    pub(crate) const ALL: [Self; 8] = [
        Self::InPlace,
        Self::Long,
        Self::Brief,
        Self::Suspendable,
        Self::Migratable,
        Self::ThreadStack,
        Self::Offloaded,
        Self::Lane,
    ];

    /// The word for it in spans, events and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InPlace => "in_place",
            Self::Long => "long",
            Self::Brief => "brief",
            Self::Suspendable => "suspendable",
            Self::Migratable => "migratable",
            Self::ThreadStack => "thread_stack",
            Self::Offloaded => "offloaded",
            Self::Lane => "lane",
        }
    }
}
