//! The monitor: one thread that retakes the slots of calls that last, as Go's `sysmon` does.
//!
//! It sees a frame twice with the same mark: odd means that C has been running since the first look, and the slot is
//! retaken; even means that user code has been running inside the frame, and after [`STUCK_IN_RUST`] the slot is
//! retaken too, for that code may wait for something that only this worker's queue can bring about.
//!
//! # Pace
//!
//! A scan follows the last one after [`SHORTEST`], which doubles up to [`LONGEST`] while nothing changes hands. A scan
//! that finds C running is followed by another one after `SHORTEST`, to tell a call that lasts from one that is brief.
//! So a call is retaken at most `LONGEST` + `SHORTEST` and two wake-ups of this thread after it began. After
//! [`QUIET_SCANS`] without an open frame the monitor sleeps until the next frame wakes it, and starts anew with
//! `SHORTEST`.

use super::handshake::Phase;
use super::life;
use super::record::{self, Watched};
use crate::background;
use crate::doze::Doze;
use crate::observe;
use crate::sync::{AtomicU32, register_heavy_fence};
use crate::watchdog;
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// As short as a sleep gets with the default timer slack of 50 µs: about 75 µs in all, measured.
const SHORTEST: Duration = Duration::from_micros(20);
/// Between the cost of scanning (a loop that only sleeps a millisecond takes 1.6 % of a core of the virtual machine it was
/// measured on) and the time to a retake, which is to stay under 2 ms.
const LONGEST: Duration = Duration::from_micros(1200);
/// How long Rust code may run inside a frame. The time Go allows a goroutine before it preempts it.
const STUCK_IN_RUST: Duration = Duration::from_millis(10);
/// Scans without an open frame before the monitor sleeps for good. Guessed: a tenth of a second at `LONGEST`, so that
/// a service with a call every few milliseconds does not pay for a wake-up at each.
const QUIET_SCANS: u32 = 100;

static DOZE: Doze = Doze::asleep_with(AtomicU32::new(1));
static MONITOR: OnceLock<Option<Thread>> = OnceLock::new();

/// Starts the monitor if it does not run yet. `false` if the system has no thread for it.
pub(super) fn ensure_running() -> bool {
    MONITOR.get_or_init(start).is_some()
}

/// To be called when a frame has been opened, after its mark and the light fence.
#[inline]
pub(super) fn frame_opened() {
    if DOZE.rouse() {
        wake();
    }
}

#[cold]
fn wake() {
    match MONITOR.get() {
        Some(Some(monitor)) => monitor.unpark(),
        // Nobody to take it on: from here on the watchdog does not sleep any more.
        _ => watchdog::rouse(),
    }
}

fn start() -> Option<Thread> {
    register_heavy_fence();
    background::spawn("cede-monitor", run)
}

/// Whether no frame is open that the monitor could retake, nor was a moment ago.
pub(super) fn is_asleep() -> bool {
    DOZE.is_asleep()
}

fn run() {
    loop {
        sleep_until_a_frame_opens();
        // It does not sleep while the monitor is awake.
        watchdog::rouse();
        watch();
    }
}

fn sleep_until_a_frame_opens() {
    if !DOZE.announce() || record::any_open() {
        DOZE.retract();
    }
    while DOZE.is_asleep() {
        thread::park();
    }
}

/// Scans until all is quiet.
fn watch() {
    let mut pause = SHORTEST;
    let mut quiet = 0;
    while quiet < QUIET_SCANS {
        let found = look_twice();
        quiet = if found == Found::Nothing {
            quiet + 1
        } else {
            0
        };
        pause = if found == Found::Lasting {
            SHORTEST
        } else {
            LONGEST.min(pause * 2)
        };
        thread::sleep(pause);
    }
    life::trim_idle();
}

/// Scans, and soon once more if there is something to tell a lasting call from a brief one by.
fn look_twice() -> Found {
    match scan() {
        Found::InC => {
            thread::sleep(SHORTEST);
            scan().max(Found::InC)
        }
        found => found,
    }
}

/// What a scan came across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// No frame is open that could be retaken.
    Nothing,
    /// Frames are open, and Rust runs in them.
    InRust,
    /// C runs in a frame, since this scan for all that is known.
    InC,
    /// A slot was retaken.
    Lasting,
}

fn scan() -> Found {
    let now = Instant::now();
    let mut found = Found::Nothing;
    record::for_each(|watched| found = found.max(look_at(watched, now)));
    found
}

fn look_at(watched: &mut Watched, now: Instant) -> Found {
    let Watched {
        record,
        seen,
        since,
        ..
    } = watched;
    if !record.is_armed() {
        return Found::Nothing;
    }
    let mark = record.handshake.mark();
    let phase = mark.phase();
    if phase == Phase::Closed {
        return Found::Nothing;
    }
    let found = if phase == Phase::InC {
        Found::InC
    } else {
        Found::InRust
    };
    if mark != *seen {
        *seen = mark;
        *since = Some(now);
        return found;
    }
    let due = phase == Phase::InC || since.is_some_and(|since| now - since >= STUCK_IN_RUST);
    if !due {
        return found;
    }
    record.set_retaken_since(*since);
    if record.handshake.try_take(mark) {
        record.release_standby();
        observe::counter::RETAKES.add(1);
        return Found::Lasting;
    }
    found
}
