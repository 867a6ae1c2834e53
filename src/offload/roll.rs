//! The roll: which offloaded calls are in flight, since when, and which of them are abandoned.
//!
//! # Rules
//!
//! 1. A call is on the roll from the moment it is given to a pool or lane until C has returned, or is known not to run.
//! 2. The two counters are one word, changed under the roll's lock: no moment shows an abandoned call that is not in flight.
//! 3. Nobody is woken under the lock.

use super::course::{self, Course};
use super::life;
use crate::label::Label;
use crate::observe::gauge;
use crate::panic::{caught, discard};
use crate::sync::{Mutex, lock};
use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

static ROLL: Mutex<Roll> = Mutex::new(Roll {
    places: Vec::new(),
    free: Vec::new(),
    next_waiting: 0,
    waiting: BTreeMap::new(),
});

struct Roll {
    places: Vec<Option<Listed>>,
    /// The places that are not taken.
    free: Vec<usize>,
    next_waiting: u64,
    /// Who waits for the roll to be empty.
    waiting: BTreeMap<u64, Waker>,
}

/// What stands in a place.
struct Listed {
    entry: Entry,
    course: Arc<Course>,
}

/// A call in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) label: Label,
    pub(super) since: Instant,
    pub(super) is_abandoned: bool,
}

/// A place on the roll, which is left on drop.
#[must_use]
pub(super) struct Ticket(usize);

impl Ticket {
    pub(super) fn new(course: &Arc<Course>) -> Self {
        let listed = Listed {
            entry: Entry {
                label: *course.label(),
                since: Instant::now(),
                is_abandoned: false,
            },
            course: course.clone(),
        };
        let ticket = {
            let mut roll = lock(&ROLL);
            gauge::OFFLOADED.enter();
            Self(roll.enter(listed))
        };
        course::begun(course);
        ticket
    }
}

impl life::Ticket for Ticket {
    type Wakes = Wakes;

    fn abandon(&mut self) {
        if let Some(listed) = &mut lock(&ROLL).places[self.0] {
            listed.entry.is_abandoned = true;
            gauge::OFFLOADED.abandon();
        }
    }

    fn settle(self) -> Wakes {
        let place = self.0;
        std::mem::forget(self);
        strike_off(place)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        drop(strike_off(self.0));
    }
}

fn strike_off(place: usize) -> Wakes {
    let mut roll = lock(&ROLL);
    if let Some(left) = roll.places[place].take() {
        gauge::OFFLOADED.leave(left.entry.is_abandoned);
        roll.free.push(place);
    }
    if roll.is_empty() {
        Wakes(take(&mut roll.waiting))
    } else {
        Wakes(BTreeMap::new())
    }
}

/// Wakes on drop.
#[must_use]
pub(super) struct Wakes(BTreeMap<u64, Waker>);

impl Drop for Wakes {
    fn drop(&mut self) {
        for waker in take(&mut self.0).into_values() {
            caught(|| waker.wake()).unwrap_or_else(discard);
        }
    }
}

impl Roll {
    fn enter(&mut self, listed: Listed) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(listed);
                place
            }
            None => {
                self.places.push(Some(listed));
                self.places.len() - 1
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    fn number_to_wait(&mut self) -> u64 {
        self.next_waiting += 1;
        self.next_waiting
    }
}

/// Somebody who waits for the roll to be empty.
#[derive(Debug, Default)]
pub(super) struct Waiting(Option<u64>);

impl Waiting {
    /// `true` if the roll is empty. Else the waker is kept until it is.
    pub(super) fn poll(&mut self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let before = {
            let mut roll = lock(&ROLL);
            if roll.is_empty() {
                return true;
            }
            let number = *self.0.get_or_insert_with(|| roll.number_to_wait());
            roll.waiting.insert(number, waker)
        };
        drop(before);
        false
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waker = self
            .0
            .and_then(|number| lock(&ROLL).waiting.remove(&number));
        drop(waker);
    }
}

/// Who is on the roll now, the oldest first.
pub(super) fn read() -> Vec<Entry> {
    let entry = |listed: &Listed| listed.entry;
    let mut calls: Vec<_> = lock(&ROLL).places.iter().flatten().map(entry).collect();
    calls.sort_by_key(|call| call.since);
    calls
}

/// Lends the course of every call to the watchdog.
pub(super) fn for_each(mut f: impl FnMut(&Arc<Course>)) {
    let roll = lock(&ROLL);
    roll.places
        .iter()
        .flatten()
        .for_each(|listed| f(&listed.course));
}
