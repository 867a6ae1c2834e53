//! The life of what a token stands for, in every interleaving: the crate's own file, compiled against the model checker's
//! atomics. The value is a cell of the checker's, which tells of every access that is not in order.

#![allow(dead_code, reason = "each model uses a part of the protocol")]

#[path = "../../src/token/life.rs"]
mod life;

/// What `crate::sync` is to the protocol.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}

use life::{Admission, Ended, Left, Life};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

const LAST: u32 = u32::MAX - 1;

/// A place of the table: the life, its value, and who waits for holders to leave.
struct Place {
    life: Life,
    value: UnsafeCell<Option<u32>>,
    waiting: Mutex<bool>,
    woken: Mutex<u32>,
}

impl Place {
    fn with(value: u32) -> (Arc<Self>, u32) {
        let place = Arc::new(Self {
            life: Life::new(),
            value: UnsafeCell::new(None),
            waiting: Mutex::new(false),
            woken: Mutex::new(0),
        });
        let generation = place.begin(value);
        (place, generation)
    }

    fn begin(&self, value: u32) -> u32 {
        self.value.with_mut(|place| {
            // SAFETY: the checker sees to it that nobody else is there.
            unsafe { *place = Some(value) }
        });
        self.life.begin()
    }

    /// A callback: what it found, if it was let in.
    fn call(&self, generation: u32) -> Option<u32> {
        if self.life.enter(generation) != Admission::Admitted {
            return None;
        }
        // SAFETY: the checker sees to it that nobody writes meanwhile.
        let found = self.value.with(|value| unsafe { *value });
        match self.life.leave() {
            Left::Live => (),
            Left::Ending => self.wake(),
            Left::Last => self.vacate(),
        }
        Some(found.expect("a live place has its value"))
    }

    /// Whether it was this one who ended it.
    fn end(&self, generation: u32) -> bool {
        match self.life.end(generation) {
            Ended::Vacate => self.vacate(),
            Ended::Held => (),
            Ended::Already => return false,
        }
        true
    }

    fn vacate(&self) {
        let value = self.value.with_mut(|value| {
            // SAFETY: the checker sees to it that nobody else is there.
            unsafe { &mut *value }.take()
        });
        assert!(value.is_some(), "vacated twice");
        assert!(self.life.vacate(LAST));
        self.wake();
    }

    fn wake(&self) {
        let waits = std::mem::take(&mut *self.waiting.lock().unwrap());
        *self.woken.lock().unwrap() += u32::from(waits);
    }

    /// As the table has it: whether the value is gone; if not, the caller is woken later.
    fn poll_gone(&self, generation: u32) -> bool {
        let mut waiting = self.waiting.lock().unwrap();
        let gone = self.life.holders(generation).is_none();
        *waiting |= !gone;
        gone
    }

    fn is_vacant(&self) -> bool {
        // SAFETY: the checker sees to it that nobody writes meanwhile.
        self.value.with(|value| unsafe { *value }.is_none())
    }
}

/// Three threads are too many for every interleaving; those with no more than three preemptions (two in a
/// build that is not optimized) will do.
fn bounded_model(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(if cfg!(debug_assertions) { 2 } else { 3 });
    builder.check(model);
}

fn on_thread<R: 'static>(
    place: &Arc<Place>,
    f: impl FnOnce(&Place) -> R + 'static,
) -> thread::JoinHandle<R> {
    let place = place.clone();
    thread::spawn(move || f(&place))
}

#[test]
fn callbacks_that_race_with_the_end_find_the_value_or_are_refused() {
    bounded_model(|| {
        let (place, generation) = Place::with(7);
        let first = on_thread(&place, move |place| place.call(generation));
        let second = on_thread(&place, move |place| place.call(generation));
        assert!(place.end(generation));
        // The end is seen by whoever comes after it.
        assert_eq!(place.call(generation), None);
        for found in [first.join().unwrap(), second.join().unwrap()] {
            assert!(matches!(found, None | Some(7)));
        }
        // Whoever was last has taken the value out, once.
        assert!(place.is_vacant());
        assert_eq!(place.life.holders(generation), None);
    });
}

#[test]
fn of_two_who_end_it_one_does() {
    loom::model(|| {
        let (place, generation) = Place::with(7);
        let caller = on_thread(&place, move |place| place.call(generation));
        let other = on_thread(&place, move |place| place.end(generation));
        let mine = place.end(generation);
        assert!(mine != other.join().unwrap());
        let _ = caller.join().unwrap();
        assert!(place.is_vacant());
    });
}

#[test]
fn a_late_callback_does_not_reach_the_next_value_of_the_place() {
    loom::model(|| {
        let (place, generation) = Place::with(7);
        let late = on_thread(&place, move |place| place.call(generation));
        assert!(place.end(generation));
        // The free list gives a place away only when it has been vacated.
        if place.life.holders(generation).is_none() {
            let next = place.begin(8);
            assert_ne!(next, generation);
            assert_eq!(place.call(next), Some(8));
            assert!(
                !place.end(generation),
                "a stale token has ended another's value"
            );
        }
        assert!(matches!(late.join().unwrap(), None | Some(7)));
    });
}

#[test]
fn who_waits_for_the_last_callback_is_woken() {
    bounded_model(|| {
        let (place, generation) = Place::with(7);
        let callers = [0, 1].map(|_| on_thread(&place, move |place| place.call(generation)));
        assert!(place.end(generation));
        let gone = place.poll_gone(generation);
        for caller in callers {
            let _ = caller.join().unwrap();
        }
        assert!(gone || *place.woken.lock().unwrap() > 0, "waits for ever");
        assert!(place.poll_gone(generation));
    });
}

#[test]
fn a_place_is_used_up_before_a_generation_returns() {
    loom::model(|| {
        let life = Life::new();
        let first = life.begin();
        assert_eq!(life.end(first), Ended::Vacate);
        assert!(life.vacate(first + 1));
        let second = life.begin();
        assert_eq!(life.end(second), Ended::Vacate);
        assert!(!life.vacate(first + 1), "there is no generation left");
        assert_eq!(life.enter(first), Admission::Ended);
        assert!(life.has_begun(first) && life.has_begun(second) && !life.has_begun(second + 1));
    });
}
