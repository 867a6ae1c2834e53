//! Where a suspended call may go on.

use std::sync::atomic::{AtomicU64, Ordering};

/// The thread that a suspended call belongs to, if it belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// Only there.
    Thread(ThreadToken),
    /// Nowhere: the thread was ending when C ran.
    Gone,
    /// Anywhere, by the contract of [`Call::migratable`](crate::Call::migratable).
    Everywhere,
}

impl Home {
    /// This thread.
    pub(super) fn here() -> Self {
        ThreadToken::current().map_or(Self::Gone, Self::Thread)
    }

    /// Whether the calling thread may go on with the call.
    pub(super) fn is_here(self) -> bool {
        match self {
            Self::Thread(token) => ThreadToken::current() == Some(token),
            Self::Gone => false,
            Self::Everywhere => true,
        }
    }
}

/// Tells threads apart, also across the end of one and the beginning of another. A thread whose thread-locals are being
/// destroyed is nobody's home: C may hold on to one that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadToken(u64);

impl ThreadToken {
    /// `None` on a thread that ends.
    fn current() -> Option<Self> {
        thread_local! {
            static MINE: Mine = Mine(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);

        /// Has a destructor, so that it goes as the others do: those last made first.
        struct Mine(u64);
        impl Drop for Mine {
            fn drop(&mut self) {}
        }
        MINE.try_with(|mine| Self(mine.0)).ok()
    }
}
