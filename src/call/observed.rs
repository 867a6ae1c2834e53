//! Calls that somebody looks at.
//!
//! Such a call is made as every other, but its job is wrapped in one that enters the call's span and takes the times, on C's own
//! stack. Nothing of that is on the way of a call that nobody looks at.

use super::core::{Core, Progress, Stage};
use crate::context;
use crate::here::Here;
use crate::label::Label;
use crate::observe::Seen;
use crate::slot::{ThreadSlot, known_thread};
use crate::stack::{Job, Outcome};
use crate::watchdog::{Parent, Watch};
use std::mem::replace;
use std::sync::Arc;
use std::task;

/// A call that is looked at, between its polls.
pub(super) struct Observed {
    /// What the call would be in if nobody looked. Dropped first: a suspended call then has C return.
    stage: Stage,
    shown: Arc<Shown>,
}

/// What C's stack refers to.
struct Shown {
    seen: Seen,
    job: Job,
}

// SAFETY: what keeps this from being `Send` is the job's pointer, to what `super::Call` has typed, which is `Send` only if that is.
unsafe impl Send for Shown {}

// SAFETY: as above; the job is only read.
unsafe impl Sync for Shown {}

impl Shown {
    /// The call's job, with times taken.
    fn job(&self) -> Job {
        Job {
            run: Self::run,
            argument: std::ptr::from_ref(self).cast_mut().cast(),
        }
    }

    /// # Safety
    ///
    /// `this` points to a `Shown` that is there until this has returned. Its job may be run.
    unsafe extern "C" fn run(this: *mut ()) -> Outcome {
        // SAFETY: by this function's contract.
        let this = unsafe { &*this.cast::<Self>() };
        // SAFETY: as above: it is there for longer than the context, which goes when C has returned.
        unsafe { show(&this.seen) };
        this.seen.begin_c();
        // SAFETY: by this function's contract.
        let outcome = unsafe { (this.job.run)(this.job.argument) };
        this.seen.end_c();
        outcome
    }
}

/// Not inlined: whoever calls it may be on another thread when C has returned.
///
/// # Safety
///
/// `seen` outlives the running call.
#[inline(never)]
unsafe fn show(seen: &Seen) {
    context::with_current(|context| {
        // SAFETY: by this function's contract.
        context.inspect(|context| unsafe { context.show(seen) });
    });
}

impl Observed {
    /// `None` if nobody wants to look after all.
    fn begin(label: &Label, job: Job) -> Option<Box<Self>> {
        let seen = Seen::begin(label, None)?;
        Some(Box::new(Self {
            stage: Stage::Unstarted,
            shown: Arc::new(Shown { seen, job }),
        }))
    }
}

/// A call that is looked at, in a poll: it is in the stage that it would be in if nobody looked. Goes back on drop, also if the poll
/// unwinds, for C's stack refers to what is shown until C has returned.
struct Polled<'a> {
    core: &'a mut Core,
    observed: Option<Box<Observed>>,
}

impl<'a> Polled<'a> {
    fn begin(core: &'a mut Core, mut observed: Box<Observed>) -> Self {
        *core.stage = replace(&mut observed.stage, Stage::Finished);
        Self {
            core,
            observed: Some(observed),
        }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        if let Some(mut observed) = self.observed.take() {
            observed.stage = replace(&mut *self.core.stage, Stage::Finished);
            *self.core.stage = Stage::Observed(observed);
        }
    }
}

impl Core {
    /// The first poll of a call that somebody may want to look at.
    ///
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn poll_seen(
        &mut self,
        here: &Here,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        match Observed::begin(&self.label, job) {
            // SAFETY: by this function's contract.
            None => unsafe { self.poll_unseen(here, job, cx) },
            // SAFETY: by this function's contract.
            Some(observed) => unsafe { self.poll_observed(here, observed, cx) },
        }
    }

    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    pub(super) unsafe fn poll_observed(
        &mut self,
        here: &Here,
        observed: Box<Observed>,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        let shown = observed.shown.clone();
        let parent = Parent::of(shown.seen.span()).map(Arc::new);
        let _watch = Watch::new(&self.label, None, parent);
        let mut polled = Polled::begin(self, observed);
        // SAFETY: the wrapped job is the same at every poll, and there for as long as the call is observed, which is until C has
        // returned; the rest is this function's contract.
        let progress = unsafe { polled.core.poll_unseen(here, shown.job(), cx) };
        if progress == Progress::Pending {
            let is_retaken = || known_thread(here).is_some_and(ThreadSlot::is_retaken);
            if shown.seen.has_left_c() && is_retaken() {
                shown.seen.is_retaken(&polled.core.label);
            }
        } else {
            shown.seen.end();
            // What is left is the call's own: that it has ended, or a panic to raise.
            polled.observed = None;
        }
        progress
    }
}
