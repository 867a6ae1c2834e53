//! Where the values are that C has tokens of: places that are never freed, so that a token of any bit pattern whatsoever can
//! be looked up by any thread at any time.
//!
//! A place is found by its index through buckets that double in size, and has a [`Life`] that says whether its value may be
//! used. A lookup reads one pointer and changes one word: no lock, no allocation, no waiting. Making and ending a token
//! takes a lock, for the list of free places.
//!
//! (The slabs in use elsewhere do not bear this: `slab` needs a lock around each lookup; `sharded-slab`, whose lookups are
//! lock-free, reads the pointer to a page without synchronisation, which is sound for keys that it has given out, and a data
//! race for one that C has made up.)
//!
//! # Key
//!
//! ```text
//!   bit  63  62            32 31            0      (on 32-bit processors 31, 30..16 and 15..0)
//!       ├───┼────────────────┼───────────────┤
//!       │ 1 │     index      │  generation   │
//!       └───┴────────────────┴───────────────┘
//! ```
//!
//! The topmost bit keeps keys apart from null and from the addresses of a process, which are in the lower half.

use super::error::TokenError;
use super::life::{Admission, Ended, Left, Life};
use crate::panic::{caught, discard};
use crate::sync::lock;
use std::any::Any;
use std::cell::UnsafeCell;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

/// What a token stands for, whatever its type.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

const GENERATION_BITS: u32 = usize::BITS / 2;
const GENERATIONS: u32 = (u64::MAX >> (u64::BITS - GENERATION_BITS)) as u32;
/// One generation is never begun: it tells a place that is used up.
const LAST_GENERATION: u32 = GENERATIONS - 1;
const TAG: usize = 1 << (usize::BITS - 1);
const PLACES: u32 = ((TAG >> GENERATION_BITS) - 1) as u32;

/// The first bucket has so many places, each further one twice as many as the one before.
const FIRST_BUCKET: u32 = 32;
const BUCKETS: usize = (usize::BITS - 1 - GENERATION_BITS - FIRST_BUCKET.ilog2() + 1) as usize;

/// What C holds: an index and a generation, never a pointer, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(NonZeroUsize);

impl Key {
    fn new(index: u32, generation: u32) -> Self {
        let raw = TAG | (index as usize) << GENERATION_BITS | generation as usize;
        Self(NonZeroUsize::new(raw).expect("the tag is set"))
    }

    pub(crate) fn raw(self) -> usize {
        self.0.get()
    }

    /// `None` for what cannot be a key.
    #[inline]
    pub(crate) fn from_raw(raw: usize) -> Option<Self> {
        let raw = NonZeroUsize::new(raw)?;
        (raw.get() & TAG != 0).then_some(Self(raw))
    }

    #[inline]
    fn index(self) -> u32 {
        ((self.raw() & !TAG) >> GENERATION_BITS) as u32
    }

    #[inline]
    fn generation(self) -> u32 {
        self.raw() as u32 & GENERATIONS
    }
}

struct Place {
    life: Life,
    value: UnsafeCell<Option<Value>>,
    /// Who waits until holders have left. Not part of the value: a holder that has left may no longer touch that.
    waiting: Mutex<Vec<Waker>>,
}

// SAFETY: the value is `Send` and `Sync`; it is shared by the holders, and written only by the one who has it to itself (rules
// 1, 3 and 4 of `life`).
unsafe impl Sync for Place {}

impl Place {
    fn new() -> Self {
        Self {
            life: Life::new(),
            value: UnsafeCell::new(None),
            waiting: Mutex::default(),
        }
    }

    fn wake_waiting(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for waker in waiting {
            // A waker is anybody's code, and this may be a thread of C's.
            caught(|| waker.wake()).unwrap_or_else(discard);
        }
    }
}

struct Table {
    buckets: [OnceLock<Box<[Place]>>; BUCKETS],
    free: Mutex<Free>,
}

struct Free {
    /// Has room for every place there is, so that giving one back never allocates.
    vacated: Vec<u32>,
    /// The first place that was never used.
    next: u32,
}

static TABLE: Table = Table {
    buckets: [const { OnceLock::new() }; BUCKETS],
    free: Mutex::new(Free {
        vacated: Vec::new(),
        next: 0,
    }),
};

/// The bucket of a place, and where it is in there.
#[inline]
fn position(index: u32) -> (usize, usize) {
    let counted = u64::from(index) + u64::from(FIRST_BUCKET);
    let bucket = counted.ilog2() - FIRST_BUCKET.ilog2();
    let offset = counted - (u64::from(FIRST_BUCKET) << bucket);
    (bucket as usize, offset as usize)
}

impl Table {
    #[inline]
    fn place(&'static self, index: u32) -> Option<&'static Place> {
        let (bucket, offset) = position(index);
        self.buckets.get(bucket)?.get()?.get(offset)
    }

    /// A vacant place, the caller's alone.
    fn take_place(&'static self) -> (u32, &'static Place) {
        let mut free = lock(&self.free);
        let index = free.vacated.pop().unwrap_or_else(|| {
            let index = free.next;
            assert!(index < PLACES, "{PLACES} tokens are alive");
            let (bucket, offset) = position(index);
            if offset == 0 {
                let places = (FIRST_BUCKET as usize) << bucket;
                free.vacated.reserve(index as usize + places);
                self.buckets[bucket].get_or_init(|| (0..places).map(|_| Place::new()).collect());
            }
            free.next += 1;
            index
        });
        let place = self.place(index).expect("its bucket is there");
        (index, place)
    }

    /// Takes the value out of a place and gives the place back, by the one who has it to itself.
    ///
    /// # Safety
    ///
    /// The caller was told `Last` or `Vacate` by the place's life, just now.
    #[cold]
    unsafe fn vacate(&'static self, index: u32, place: &'static Place) {
        // SAFETY: by this function's contract nobody else touches the value (rule 3 of `life`).
        let value = unsafe { &mut *place.value.get() }.take();
        // Before the place is vacant, so that who waits for that knows the value to be gone.
        caught(|| drop(value)).unwrap_or_else(discard);
        let reusable = place.life.vacate(LAST_GENERATION);
        place.wake_waiting();
        if reusable {
            lock(&self.free).vacated.push(index);
        }
    }
}

/// Puts a value in, and makes the key that C may hold.
///
/// # Panics
///
/// If 2^31 - 1 values (on 32-bit processors, 2^15 - 1) are in.
pub(crate) fn insert(value: Value) -> Key {
    let (index, place) = TABLE.take_place();
    // SAFETY: the place is vacant and was given to us (rule 4 of `life`).
    unsafe { *place.value.get() = Some(value) };
    Key::new(index, place.life.begin())
}

/// Holds the value that belongs to a number which C has passed: it stays until the guard drops.
#[inline]
pub(crate) fn hold(raw: usize) -> Result<Held, TokenError> {
    let key = Key::from_raw(raw).ok_or(TokenError::UNKNOWN)?;
    let place = TABLE.place(key.index()).ok_or(TokenError::UNKNOWN)?;
    match place.life.enter(key.generation()) {
        Admission::Admitted => Ok(Held { key, place }),
        Admission::Ended => Err(why_ended(key, place)),
        Admission::Crowded => Err(TokenError::CROWDED),
    }
}

/// Tells a token that was from one that never was.
#[cold]
fn why_ended(key: Key, place: &Place) -> TokenError {
    if place.life.has_begun(key.generation()) {
        TokenError::STALE
    } else {
        TokenError::UNKNOWN
    }
}

/// Ends the value of this key: nobody gets hold of it from here on. `false` if it had ended before.
pub(crate) fn end(key: Key) -> bool {
    let Some(place) = TABLE.place(key.index()) else {
        return false;
    };
    match place.life.end(key.generation()) {
        // SAFETY: just told so.
        Ended::Vacate => unsafe { TABLE.vacate(key.index(), place) },
        Ended::Held => (),
        Ended::Already => return false,
    }
    true
}

/// How many hold the value of this key; `None` once it has ended and is gone.
pub(crate) fn holders(key: Key) -> Option<u32> {
    TABLE.place(key.index())?.life.holders(key.generation())
}

/// Waits until no more than `allowed` hold an ended value; if none may, until the value itself is gone.
pub(crate) fn poll_left(key: Key, allowed: u32, cx: &Context<'_>) -> Poll<()> {
    let Some(place) = TABLE.place(key.index()) else {
        return Poll::Ready(());
    };
    let mut waiting = lock(&place.waiting);
    // Under the lock: a holder that leaves does so before it looks who is waiting.
    match place.life.holders(key.generation()) {
        None => Poll::Ready(()),
        Some(holders) if (1..=allowed).contains(&holders) => Poll::Ready(()),
        Some(_) => {
            if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        }
    }
}

/// Keeps a value where it is, until dropped.
#[must_use]
pub(crate) struct Held {
    key: Key,
    place: &'static Place,
}

impl Held {
    #[inline]
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    #[inline]
    pub(crate) fn value(&self) -> &Value {
        // SAFETY: a holder may share the value until it leaves (rule 1 of `life`), which is when `self` drops.
        let value = unsafe { &*self.place.value.get() };
        value.as_ref().expect("a live place has its value")
    }

    #[inline]
    pub(crate) fn downcast<T: 'static>(&self) -> Result<&T, TokenError> {
        (**self.value())
            .downcast_ref()
            .ok_or(TokenError::WRONG_TYPE)
    }
}

impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        match self.place.life.leave() {
            Left::Live => (),
            Left::Ending => self.place.wake_waiting(),
            // SAFETY: just told so.
            Left::Last => unsafe { TABLE.vacate(self.key.index(), self.place) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_position_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(position(index), expected);
            expected.1 += 1;
            if expected.1 == (FIRST_BUCKET as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        let (bucket, offset) = position(PLACES - 1);
        assert!(bucket < BUCKETS && offset < (FIRST_BUCKET as usize) << bucket);
    }

    #[test]
    fn keys_keep_index_and_generation_apart() {
        for index in [0, 1, PLACES - 1] {
            for generation in [0, 1, LAST_GENERATION] {
                let key = Key::new(index, generation);
                assert_eq!((key.index(), key.generation()), (index, generation));
                assert_eq!(Key::from_raw(key.raw()), Some(key));
            }
        }
        assert_eq!(Key::from_raw(0), None);
        assert_eq!(Key::from_raw(TAG - 1), None);
    }
}
