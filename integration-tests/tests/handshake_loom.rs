//! The protocols between the owner of a slot and the monitor, and the watchdog, in every interleaving.
//!
//! The very files of the crate are compiled here against the model checker's atomics. The asymmetric fence is modelled by
//! what it amounts to: a full fence on both sides.

#![allow(dead_code, reason = "each model uses a part of the protocols")]

#[path = "../../src/doze.rs"]
mod doze;
#[path = "../../src/slot/handshake.rs"]
mod handshake;
#[path = "../../src/slot/turn_end.rs"]
mod turn_end;

/// What `crate::sync` is to the protocols.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};

    /// The mark. Release and acquire are as in the crate.
    pub(crate) use loom::sync::atomic::AtomicU64;

    pub(crate) fn light_fence() {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy_fence() -> bool {
        loom::sync::atomic::fence(Ordering::SeqCst);
        true
    }

    pub(crate) fn pause() {
        loom::thread::yield_now();
    }
}

use doze::Doze;
use handshake::{Handshake, Mark, Phase, Verdict};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::thread;
use turn_end::TurnEnd;

/// How many threads may run on the slot at once is what it is all about: counts them.
#[derive(Default)]
struct Slot(AtomicU32);

impl Slot {
    fn enter(&self) {
        assert_eq!(
            self.0.fetch_add(1, Ordering::AcqRel),
            0,
            "two threads run on one slot"
        );
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The monitor's second look, and what the standby does if it is let go.
fn retake(handshake: &Handshake, slot: &Slot, seen: Mark) -> bool {
    let taken = handshake.try_take(seen);
    if taken {
        slot.enter();
    }
    taken
}

#[test]
fn an_owner_back_in_rust_is_never_retaken_for_having_been_in_c() {
    loom::model(|| {
        let shared = Arc::new((Handshake::new(), Slot::default()));
        let (handshake, slot) = &*shared;
        assert_eq!(handshake.open(), Verdict::Kept);
        handshake.enter_c();
        let seen = handshake.mark();
        assert_eq!(seen.phase(), Phase::InC);

        let monitor = thread::spawn({
            let shared = shared.clone();
            move || retake(&shared.0, &shared.1, seen)
        });
        let verdict = handshake.enter_rust();
        if verdict == Verdict::Kept {
            slot.enter();
            slot.leave();
        }
        // Whether the monitor decides before or after, the frame ends with one answer.
        let taken = monitor.join().unwrap();
        assert_eq!(verdict == Verdict::Lost, taken);
        assert_eq!(handshake.close() == Verdict::Lost, taken);
    });
}

#[test]
fn the_next_frame_is_not_retaken_for_the_last_one() {
    loom::model(|| {
        let shared = Arc::new((Handshake::new(), Slot::default()));
        let (handshake, _) = &*shared;
        let _ = handshake.open();
        handshake.enter_c();
        let seen = handshake.mark();
        let monitor = thread::spawn({
            let shared = shared.clone();
            move || {
                let taken = retake(&shared.0, &shared.1, seen);
                if taken {
                    shared.1.leave();
                }
                taken
            }
        });
        let _ = handshake.enter_rust();
        let first = handshake.close();
        // With the frame's end the owner has its slot for itself again, whoever had it.
        let second = handshake.open();
        let third = handshake.close();
        let taken = monitor.join().unwrap();
        assert_eq!(
            first == Verdict::Lost,
            taken,
            "the frame in which the mark was seen learns of it"
        );
        assert_eq!((second, third), (Verdict::Kept, Verdict::Kept));
    });
}

#[test]
fn owner_and_monitor_give_the_slot_away_once() {
    loom::model(|| {
        let shared = Arc::new((Handshake::new(), Slot::default()));
        let (handshake, _) = &*shared;
        let _ = handshake.open();
        let seen = handshake.mark();
        let monitor = thread::spawn({
            let shared = shared.clone();
            move || retake(&shared.0, &shared.1, seen)
        });
        let given = handshake.give_away();
        if given {
            shared.1.enter();
        }
        let taken = monitor.join().unwrap();
        assert!(given != taken, "exactly one of them gives it away");
        assert_eq!(handshake.close(), Verdict::Lost);
        assert_eq!(
            handshake.open(),
            Verdict::Kept,
            "the next frame's claim is free"
        );
    });
}

#[test]
fn a_frame_opened_while_the_monitor_goes_to_sleep_is_seen_or_wakes_it() {
    loom::model(|| {
        let shared = Arc::new((Handshake::new(), Doze::asleep_with(AtomicU32::new(0))));
        let monitor = thread::spawn({
            let shared = shared.clone();
            move || {
                let (handshake, doze) = &*shared;
                assert!(doze.announce());
                let sees_frame = handshake.mark().phase() != Phase::Closed;
                if sees_frame {
                    doze.retract();
                }
                sees_frame
            }
        });
        let (handshake, doze) = &*shared;
        let _ = handshake.open();
        let woke = doze.rouse();
        let saw = monitor.join().unwrap();
        assert!(saw || woke, "an open frame goes unwatched");
        assert!(!doze.is_asleep());
    });
}

#[test]
fn one_of_several_openers_wakes_the_monitor() {
    loom::model(|| {
        let doze = Arc::new(Doze::asleep_with(AtomicU32::new(1)));
        let other = thread::spawn({
            let doze = doze.clone();
            move || doze.rouse()
        });
        let mine = doze.rouse();
        assert!(mine != other.join().unwrap());
    });
}

/// What a thread that makes brief calls shares with the watchdog.
struct Brief {
    doze: Doze,
    end: TurnEnd,
    made: AtomicU64,
}

impl Brief {
    fn new(asleep: u32) -> Arc<Self> {
        Arc::new(Self {
            doze: Doze::asleep_with(AtomicU32::new(asleep)),
            end: TurnEnd::new(),
            made: AtomicU64::new(0),
        })
    }

    /// Owner: makes a call. Whether it has woken the watchdog.
    fn call(&self) -> bool {
        let made = self.made.load(Ordering::Relaxed);
        let is_in_turn = self.end.is_after(made);
        if !is_in_turn {
            self.end.set(made + 3);
        }
        self.made.store(made + 1, Ordering::Relaxed);
        !is_in_turn && {
            sync::light_fence();
            self.doze.rouse()
        }
    }

    /// Watchdog: whether it goes to sleep.
    fn sleeps(&self) -> bool {
        let announced = self.doze.announce();
        let made = self.made.load(Ordering::Relaxed);
        if !announced || self.end.take_back(made) {
            self.doze.retract();
            return false;
        }
        true
    }
}

#[test]
fn a_turn_that_begins_while_the_watchdog_goes_to_sleep_is_taken_back_or_wakes_it() {
    loom::model(|| {
        let shared = Brief::new(0);
        let watchdog = thread::spawn({
            let shared = shared.clone();
            move || shared.sleeps()
        });
        let woke = shared.call();
        let sleeps = watchdog.join().unwrap();
        assert!(
            !sleeps || woke,
            "a turn is under way, and the watchdog sleeps"
        );
        assert!(!shared.doze.is_asleep());
    });
}

#[test]
fn a_call_after_the_watchdog_has_gone_to_sleep_wakes_it() {
    loom::model(|| {
        let shared = Brief::new(0);
        assert!(!shared.call(), "awake");
        let watchdog = thread::spawn({
            let shared = shared.clone();
            // The second look, after it has stayed awake for what was left of the turn.
            move || shared.sleeps() || shared.sleeps()
        });
        let during = shared.call();
        let sleeps = watchdog.join().unwrap();
        let after = shared.call();
        assert!(!sleeps || during || after, "a call goes unwatched");
        assert!(!shared.doze.is_asleep());
    });
}
