//! Calls with a limit of their own, beyond which they are slow.

use super::Call;
use super::core::{Core, Progress, Stage};
use crate::here::Here;
use crate::stack::Job;
use crate::watchdog::{Parent, Watch};
use std::mem::replace;
use std::sync::Arc;
use std::task;
use std::time::Duration;

/// Such a call, between its polls. After one that unwinds it is a call as every other.
pub(super) struct Limited {
    limit: Duration,
    /// What the call would be in without.
    stage: Stage,
}

impl<F, R> Call<F, R>
where
    F: FnOnce() -> R,
{
    /// How long C may run, or a callback keep C's thread waiting, before that is worth a warning, instead of
    /// [`Config::slow_after`](crate::Config::slow_after), or of [`Config::brief_limit`](crate::Config::brief_limit) for a call that is
    /// [`brief`](Self::brief). [`Duration::MAX`] for never.
    ///
    /// It is a warning, not a deadline: nothing is done to C. The call takes some 100 ns more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # futures::executor::block_on(async {
    /// let vacuum = cede::call(|| unsafe { libc::usleep(1000) }).named("vacuum");
    /// assert_eq!(vacuum.slow_after(Duration::from_secs(60)).await, 0);
    /// # });
    /// ```
    pub fn slow_after(mut self, limit: Duration) -> Self {
        let before = replace(&mut *self.core.stage, Stage::Finished);
        let stage = match before {
            Stage::Limited(limited) => limited.stage,
            unstarted => unstarted,
        };
        *self.core.stage = Stage::Limited(Box::new(Limited { limit, stage }));
        self
    }
}

impl Core {
    /// # Safety
    ///
    /// As [`poll`](Self::poll).
    pub(super) unsafe fn poll_limited(
        &mut self,
        here: &Here,
        mut limited: Box<Limited>,
        job: Job,
        cx: &mut task::Context<'_>,
    ) -> Progress {
        let _watch = Watch::new(
            &self.label,
            Some(limited.limit),
            Parent::current().map(Arc::new),
        );
        *self.stage = replace(&mut limited.stage, Stage::Finished);
        // SAFETY: by this function's contract.
        let progress = unsafe { self.poll(here, job, cx) };
        if progress == Progress::Pending {
            limited.stage = replace(&mut *self.stage, Stage::Finished);
            *self.stage = Stage::Limited(limited);
        }
        progress
    }
}
