//! Where there may be a case about a call: for calls that end to find out, without a lock, that there is none about them.

use crate::sync::{AtomicU32, Ordering};

/// Enough for a call that ends to be taken for one of some hundred slow ones seldom. A power of two.
const PLACES: usize = 4096;

/// How many cases there are about the addresses that share a place.
static AT: [AtomicU32; PLACES] = [const { AtomicU32::new(0) }; PLACES];
/// How many there are in all.
static ALL: AtomicU32 = AtomicU32::new(0);
/// How many of them are about a call that could not be read: it may be any.
static UNREAD: AtomicU32 = AtomicU32::new(0);

fn at(what: usize) -> &'static AtomicU32 {
    if what == 0 {
        return &UNREAD;
    }
    let spread = (what as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    &AT[(spread >> (u64::BITS - PLACES.trailing_zeros())) as usize]
}

/// There is one more about this.
pub(super) fn enter(what: usize) {
    at(what).fetch_add(1, Ordering::SeqCst);
    ALL.fetch_add(1, Ordering::SeqCst);
}

/// And one less.
pub(super) fn leave(what: usize) {
    at(what).fetch_sub(1, Ordering::SeqCst);
    ALL.fetch_sub(1, Ordering::SeqCst);
}

/// Whether there is any. One load.
#[inline(always)]
pub(super) fn any() -> bool {
    ALL.load(Ordering::Relaxed) != 0
}

/// Whether there may be one about this.
#[inline]
pub(super) fn may_be_about(what: usize) -> bool {
    at(what).load(Ordering::Relaxed) != 0 || UNREAD.load(Ordering::Relaxed) != 0
}
