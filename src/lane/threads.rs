//! The threads of a lane.
//!
//! # Rules
//!
//! 1. A thread runs one job after the other, each to its end, and ends when the lane is closed and its line is empty.
//! 2. No job and no hook ends a thread: their panics stop here.
//! 3. Nothing of a user's runs under the lock.

use super::Job;
use super::builder::{Hook, LaneBuilder};
use super::census::{self, LaneMetrics};
use super::queue::{Queue, Turn, WhyNot};
use crate::observe::gauge;
use crate::panic::{caught, discard};
use crate::sync::{Condvar, Mutex, lock, wait};
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::thread;

type Jobs = Queue<Arc<dyn Job>>;

/// What a lane's threads and its handles share.
pub(super) struct Shared {
    name: Box<str>,
    state: Mutex<State>,
    to_do: Condvar,
}

struct State {
    jobs: Jobs,
    /// Threads that have not left.
    alive: usize,
    /// Who waits until all have left.
    closing: Vec<Waker>,
}

/// The place of a job that runs, given back on drop.
#[must_use]
pub(crate) struct Place(Option<Arc<Shared>>);

impl Place {
    /// Of a job that is on no lane; or is run for another one, which has a place there.
    pub(crate) fn none() -> Self {
        Self(None)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(lane) = &self.0 {
            lock(&lane.state).jobs.done();
            gauge::LANE_CALLS_RUNNING.sub(1);
        }
    }
}

impl Shared {
    /// Starts the threads.
    pub(super) fn start(builder: &LaneBuilder) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Self {
            name: builder.name.as_str().into(),
            state: Mutex::new(State {
                jobs: Queue::new(builder.threads.saturating_add(builder.queue)),
                alive: 0,
                closing: Vec::new(),
            }),
            to_do: Condvar::new(),
        });
        for index in 0..builder.threads {
            if let Err(error) = shared.start_thread(builder, index) {
                shared.close();
                return Err(error);
            }
        }
        census::enter(&shared);
        Ok(shared)
    }

    fn start_thread(self: &Arc<Self>, builder: &LaneBuilder, index: usize) -> io::Result<()> {
        let name = match builder.threads {
            1 => builder.name.clone(),
            _ => format!("{}-{index}", builder.name),
        };
        if name.contains('\0') {
            let why = "a thread's name has no NUL in it";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut thread = thread::Builder::new().name(name);
        if let Some(bytes) = builder.stack_size {
            thread = thread.stack_size(bytes);
        }
        let (shared, on_start, on_stop) = (
            self.clone(),
            builder.on_start.clone(),
            builder.on_stop.clone(),
        );
        lock(&self.state).alive += 1;
        let started = thread.spawn(move || {
            on_start.into_iter().for_each(quietly);
            shared.work();
            on_stop.into_iter().for_each(quietly);
            shared.left();
        });
        started.map(drop).inspect_err(|_| self.left())
    }

    fn work(self: &Arc<Self>) {
        while let Some(job) = self.next() {
            let place = Place(Some(self.clone()));
            caught(|| job.run(place)).unwrap_or_else(discard);
        }
    }

    fn next(&self) -> Option<Arc<dyn Job>> {
        let mut state = lock(&self.state);
        loop {
            match state.jobs.take() {
                Turn::Run(job) => {
                    gauge::LANE_CALLS_WAITING.sub(1);
                    gauge::LANE_CALLS_RUNNING.add(1);
                    return Some(job);
                }
                Turn::Wait => state = wait(&self.to_do, state),
                Turn::Leave => return None,
            }
        }
    }

    fn left(&self) {
        let closing = {
            let mut state = lock(&self.state);
            state.alive -= 1;
            match state.alive {
                0 => std::mem::take(&mut state.closing),
                _ => Vec::new(),
            }
        };
        for waker in closing {
            caught(|| waker.wake()).unwrap_or_else(discard);
        }
    }

    /// Puts a job in line; the number to leave it with.
    pub(super) fn join(&self, job: Arc<dyn Job>) -> Result<u64, WhyNot> {
        self.join_by(|jobs| jobs.join(job))
    }

    pub(super) fn try_join(&self, job: Arc<dyn Job>) -> Result<u64, WhyNot> {
        self.join_by(|jobs| jobs.try_join(job))
    }

    fn join_by(&self, join: impl FnOnce(&mut Jobs) -> Result<u64, WhyNot>) -> Result<u64, WhyNot> {
        let number = {
            let mut state = lock(&self.state);
            let number = join(&mut state.jobs)?;
            gauge::LANE_CALLS_WAITING.add(1);
            number
        };
        self.to_do.notify_one();
        Ok(number)
    }

    pub(super) fn leave(&self, number: u64) {
        let mut state = lock(&self.state);
        let job = state.jobs.leave(number);
        if job.is_some() {
            gauge::LANE_CALLS_WAITING.sub(1);
        }
        drop(state);
        // Not under the lock: it may be the last that refers to the closure.
        drop(job);
    }

    pub(super) fn close(&self) {
        lock(&self.state).jobs.close();
        self.to_do.notify_all();
    }

    /// `true` if all threads have left. Else the waker is kept until they have.
    pub(super) fn have_left(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = lock(&self.state);
        if state.alive == 0 {
            return true;
        }
        if !state.closing.iter().any(|other| other.will_wake(&waker)) {
            state.closing.push(waker);
        }
        false
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What there is now.
    pub(super) fn look(&self) -> LaneMetrics {
        let state = lock(&self.state);
        LaneMetrics {
            name: self.name.clone().into(),
            waiting: state.jobs.waiting(),
            running: state.jobs.running(),
            threads: state.alive,
        }
    }

    pub(super) fn with_jobs<R>(&self, f: impl FnOnce(&Jobs) -> R) -> R {
        f(&lock(&self.state).jobs)
    }
}

fn quietly(hook: Hook) {
    caught(|| hook()).unwrap_or_else(discard);
}
