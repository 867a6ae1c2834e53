//! Frames: how a slot is ceded around C, and what is learnt from how it went.

use super::core::{self, Attempt, Way, has_core};
use super::frame::Frame;
use super::handshake::Verdict;
use super::job::KnownJob;
use super::life::{Life, Outlook};
use super::standby::Standby;
use super::thread::ThreadSlot;
use super::{monitor, self_test};
use crate::label::{Label, Mode};
use crate::observe::{self, Reacquired};
use crate::panic::caught;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a frame is opened for.
struct Errand<'a> {
    frame: Frame,
    is_long: bool,
    /// The call, if it is one call's.
    call: Option<&'a Label>,
}

impl ThreadSlot {
    /// Gives the slot of the open frame away at once, because what follows is known to be long: what this call is about.
    pub(crate) fn hand_off(&self, call: Option<&Label>) {
        let record = &self.record;
        if self.is_in_frame() && record.is_armed() && record.handshake.give_away() {
            self.handed_off.set(Some(Instant::now()));
            record.release_standby();
            observe::counter::HAND_OFFS.add(1);
            observe::handed_off(call);
        }
    }

    /// Opens a frame around `body` if this thread has a slot to cede, else runs `body` as it is. [`losses`](Self::losses)
    /// tells whether the slot was lost.
    ///
    /// For one call, if there is one here: it says whether it is long. If it is, or if this worker's last calls were all
    /// retaken, the slot is handed off at once.
    pub(crate) fn cede(&self, frame: Frame, call: Option<&Label>, body: &mut dyn FnMut()) {
        let errand = Errand {
            frame,
            is_long: call.is_some_and(|call| call.manner.mode == Mode::Long),
            call,
        };
        match self
            .worker_life()
            .and_then(|(life, worker)| Some((self.way_to_cede(&life)?, life, worker)))
        {
            Some((way, life, worker)) => self.cede_by(&way, &life, worker, &errand, body),
            None => body(),
        }
    }

    /// [`cede`](Self::cede), for a callback that waits under a call which has ceded nothing. It may wait for something that
    /// takes this very slot, so if nobody is on standby the runtime's own threads have to do.
    pub(crate) fn cede_parked(&self, call: Option<&Label>, body: &mut dyn FnMut()) {
        let errand = Errand {
            frame: Frame::Call,
            is_long: true,
            call,
        };
        match self.worker_life() {
            Some((life, worker)) => {
                let way = self.way_to_cede(&life).unwrap_or(Way::Plain);
                self.cede_by(&way, &life, worker, &errand, body);
            }
            None => body(),
        }
    }

    fn cede_by(
        &self,
        way: &Way,
        life: &Arc<Life>,
        worker: usize,
        errand: &Errand<'_>,
        body: &mut dyn FnMut(),
    ) {
        let &Errand {
            frame,
            is_long,
            call,
        } = errand;
        debug_assert!(!self.is_in_frame(), "a frame inside a frame");
        let guess = Guess::about(life.outlook(worker).filter(|_| frame == Frame::Call));
        let mut outcome = Ok(());
        let mut verdict = Verdict::Kept;
        let attempt = core::without_core(way, &mut || {
            let _frame = self.enter_frame(frame);
            if let Way::Arm(standby) = way {
                self.arm(standby.clone(), life);
            }
            let _ = self.record.handshake.open();
            monitor::frame_opened();
            if is_long || guess.is_long() {
                self.hand_off(call);
            }
            outcome = caught(&mut *body);
            self.record.tally.frame();
            verdict = self.record.handshake.close();
        });
        if attempt != Attempt::Ran {
            self.frame_failed(attempt, way, life);
            body();
        }
        guess.compare(verdict);
        self.was_retaken.set(false);
        let mut lost_since = None;
        if verdict == Verdict::Lost {
            // The monitor may have claimed the slot and not yet let the standby go: left here, it would arm the next frame in
            // name only.
            self.record.release_standby();
            lost_since = self.lost_since();
            self.was_retaken.set(self.handed_off.take().is_none());
        }
        let has_core = has_core();
        if attempt == Attempt::Ran {
            self.record.tally.reacquired(match verdict {
                _ if !has_core => Reacquired::RunQueue,
                Verdict::Kept => Reacquired::SameSlot,
                Verdict::Lost => Reacquired::IdleWorker,
            });
        }
        if !has_core {
            self.record.release_standby();
            self.losses.set(self.losses.get().wrapping_add(1));
            self.last_loss.set(lost_since);
            life.retire();
        }
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }

    fn arm(&self, standby: Arc<Standby>, life: &Arc<Life>) {
        self.record.arm(standby);
        // A life that closed meanwhile has released the records that it saw, and may not have seen this one.
        if life.is_closed() {
            self.record.release_standby();
        }
    }

    /// No frame was opened after all.
    #[cold]
    fn frame_failed(&self, attempt: Attempt, way: &Way, life: &Arc<Life>) {
        if let Way::Arm(standby) = way {
            life.keep(standby.clone());
        }
        if attempt == Attempt::Declined {
            *self.known.borrow_mut() = KnownJob::default();
        }
    }

    /// How to cede the slot that this worker holds, or `None` if there is nobody to cede it to.
    fn way_to_cede(&self, life: &Arc<Life>) -> Option<Way> {
        if self.record.is_armed() {
            return Some(Way::Cheap);
        }
        if !self_test::passed() || !monitor::ensure_running() {
            return Some(Way::Plain);
        }
        match life.standby(self.signals) {
            Ok(standby) => Some(Way::Arm(standby)),
            Err(why) => {
                observe::no_standby(why);
                None
            }
        }
    }
}

/// A call shorter than this was not worth the wake-up of a standby. Measured: a wake-up takes 5 to 50 µs.
const WORTH_A_WAKE_UP: Duration = Duration::from_micros(50);

/// What was expected of a call, to be compared with what it was.
struct Guess<'a> {
    outlook: Option<&'a Outlook>,
    /// When a call began that is taken for long.
    began: Option<Instant>,
}

impl<'a> Guess<'a> {
    fn about(outlook: Option<&'a Outlook>) -> Self {
        Self {
            outlook,
            began: outlook.is_some_and(Outlook::is_long).then(Instant::now),
        }
    }

    fn is_long(&self) -> bool {
        self.began.is_some()
    }

    fn compare(&self, verdict: Verdict) {
        let Some(outlook) = self.outlook else {
            return;
        };
        match (verdict, self.began) {
            (Verdict::Lost, None) => outlook.was_long(),
            (Verdict::Lost, Some(began)) if began.elapsed() >= WORTH_A_WAKE_UP => (),
            _ => outlook.was_short(),
        }
    }
}
