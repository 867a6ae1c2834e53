//! What the C thread does with a call.
//!
//! Nothing unwinds into C's frames, nor out of the frame that a posted future lies in.

use super::{Answer, Flight, WakeOnDrop};
use crate::asked::Posted;
use crate::context::{Away, Context, Elsewhere, Ground};
use crate::error::Refused;
use crate::here;
use crate::label::CallMode;
use crate::lane::{Job, Place};
use crate::observe;
use crate::offload::life::{Finished, Step};
use crate::offload::shutdown::{self, Cancellable};
use crate::panic::{Payload, caught, discard, never_unwinds};
use crate::slot::known_thread;
use crate::stack::Outcome;
use crate::sync::lock;
use std::sync::{Arc, Weak};
use std::time::Instant;

impl<F, R> Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    /// C thread: runs `f`, with what the code under C is to find.
    fn in_c(&self, f: F) -> Result<R, Payload> {
        // SAFETY: `self` outlives this frame.
        let away = unsafe { Away::new(self) };
        // SAFETY: the label is in `self`. What is away lies in this frame, as the context does.
        let context = unsafe { Context::new(&self.label, Ground::Elsewhere((&away).into()), None) };
        if let Some(seen) = self.seen() {
            // SAFETY: `self` outlives this frame.
            unsafe { context.show(seen) };
        }
        let returned = here::with(|here| {
            known_thread(here).inspect(|thread| thread.count_offloaded());
            // SAFETY: the context stays in this frame, and the guard drops at the end of this closure.
            let _entered = unsafe { context.enter(here) };
            self.course.enter_c();
            let returned = match self.carried.get() {
                Some(carried) => carried.around_c(|| caught(f)),
                None => caught(f),
            };
            self.course.leave_c();
            returned
        });
        let (returned, own) = match returned {
            Ok(returned) => (Some(returned), Outcome::RETURNED),
            Err(payload) => (None, Outcome::panicked(payload)),
        };
        match (context.settle_panic(own), returned) {
            (None, Some(returned)) => Ok(returned),
            (Some(payload), returned) => {
                caught(|| drop(returned)).unwrap_or_else(discard);
                Err(payload)
            }
            (None, None) => unreachable!("what did not return has panicked"),
        }
    }

    /// C thread: counts the call, which begins now, by how long it has stood in line.
    fn count(&self) -> Instant {
        let now = Instant::now();
        let submitted = lock(&self.submitted).unwrap_or(now);
        let queue_wait = match self.label.manner.call_mode() {
            CallMode::Lane => &observe::LANE_QUEUE_WAIT,
            _ => &observe::OFFLOAD_QUEUE_WAIT,
        };
        queue_wait.record(now.saturating_duration_since(submitted));
        now
    }

    /// C thread: what C waits for goes to the task. Returns when it is answered.
    fn wait_for_answer(&self) -> Answer {
        loop {
            match self.life.next_step() {
                Step::GoOn(answer) => return answer,
                Step::Run(errand) => {
                    caught(|| errand.run(Place::none())).unwrap_or_else(discard);
                }
            }
        }
    }

    /// C thread: rule 1 of [`shutdown`]. `false` if the runtime shuts down.
    fn is_registered(&self) -> bool {
        let mut registered = lock(&self.registered);
        if registered.is_some() {
            return true;
        }
        let this: Weak<dyn Cancellable> = self.this.clone();
        match shutdown::register(this) {
            Ok(register) => {
                *registered = register;
                true
            }
            Err(shutdown::ShutsDown) => false,
        }
    }
}

impl<F, R> Job for Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn run(self: Arc<Self>, place: Place) {
        self.grip.begin();
        let Some(f) = self.life.start() else {
            return self.grip.settle();
        };
        let began = self.count();
        let outcome = self.in_c(f);
        observe::call_duration(self.label.manner.call_mode()).record(began.elapsed());
        drop(lock(&self.registered).take());
        self.grip.release();
        drop(place);
        let finished = self.life.finish(outcome);
        self.grip.settle();
        match finished {
            Finished::Delivered(waker, wakes) => {
                let (course, wake) = (self.course.clone(), WakeOnDrop(waker));
                // Before anybody is woken: so the call, and its span, have ended when it was awaited.
                drop(self);
                drop(wakes);
                drop(wake);
                course.end();
            }
            Finished::Unwanted(outcome, ticket) => {
                caught(|| drop(outcome)).unwrap_or_else(discard);
                drop(ticket);
                // Last, for a subscriber may take its time.
                self.course.end();
                self.tell(|| observe::abandoned_has_returned(&self.label));
            }
        }
    }

    fn discard(self: Arc<Self>) {
        self.clear(self.life.discard());
    }
}

impl<F, R> Elsewhere for Flight<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn ask(&self, context: &Context, posted: Posted) -> Result<(), Refused> {
        if !self.is_registered() {
            return Err(Refused::Cancelled);
        }
        let Ok(waker) = self.life.ask(posted) else {
            return Err(Refused::Cancelled);
        };
        let answer = never_unwinds("a thread in C was unwound while it waited", || {
            drop(WakeOnDrop(waker));
            let _waiting = self.course.wait();
            self.wait_for_answer()
        });
        match answer {
            Answer::Done => Ok(()),
            Answer::Refused(why) => Err(why),
            Answer::Panicked(payload) => {
                observe::counter::PANICS.add(1);
                context.keep_panic(payload);
                observe::callback_panicked(&self.label);
                Err(Refused::Panicked)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lane::Lane;
    use crate::slot::shown_here;
    use futures::executor::block_on;

    /// On a thread that makes calls in place as well, so that it is looked at.
    #[test]
    fn calls_of_a_thread_are_not_taken_for_each_other() {
        let lane = Lane::new("one after the other").unwrap();
        let seen = [(); 3].map(|()| block_on(crate::offload(shown_here).on_lane(&lane)));
        assert!(seen.iter().all(Option::is_some), "{seen:?}");
        assert_ne!(seen[0], seen[1]);
        assert_ne!(seen[1], seen[2]);
    }
}
