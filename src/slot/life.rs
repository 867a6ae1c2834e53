//! The life of a user's runtime, as far as standby threads are concerned.
//!
//! Standby threads work for the user's runtime without being its threads. What a user may expect of `Runtime` must
//! hold all the same:
//!
//! 1. **`Runtime::drop` waits.** A thread that lost its slot leaves a *hold* behind: a job on the runtime's own
//!    blocking pool which ends when no standby serves the runtime any more. Until it leaves the hold, the thread itself is
//!    what the drop waits for. One hold suffices, and it takes the place of a worker's thread that has retired, so the
//!    pool has no fewer threads for the user than before.
//! 2. **A pool that shuts down refuses or discards the hold.** Then the one who drops it waits instead: `Hold` waits in
//!    its destructor, wherever that runs.
//! 3. **A standby thread never takes a hold**: it would wait for itself. The thread whose place it took is still there,
//!    in C, or has left a hold.
//! 4. **Descriptors go when the runtime goes.** A queued `run(worker)` keeps its runtime alive. A sentinel task, which
//!    the runtime drops when it shuts down, closes the life: every armed standby is let go, and so is one that is armed
//!    later; every idle one exits.
//! 5. **Identity.** Ids of runtimes may be used again. A life is looked up by id only among those that are not closed.

use super::record;
use super::signals::SignalMask;
use super::standby::{Standby, on_standby_thread};
use crate::config::{self, StandbyThreads};
use crate::observe;
use crate::sync::{AtomicBool, AtomicU32, Ordering, lock};
use std::collections::HashMap;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use tokio::runtime::{Handle, Id};

/// Idle standby threads that a runtime keeps when the monitor goes to sleep. Guessed: two workers' worth of nesting.
const KEPT_WHEN_IDLE: usize = 8;

static LIVES: LazyLock<Mutex<HashMap<Id, Arc<Life>>>> = LazyLock::new(Mutex::default);

pub(crate) struct Life {
    id: Id,
    closed: AtomicBool,
    state: Mutex<State>,
    none_serving: Condvar,
    outlook: Box<[Outlook]>,
}

struct State {
    /// For the hold's job; let go on closing, since it keeps the runtime's descriptors.
    handle: Option<Handle>,
    threads: StandbyThreads,
    idle: Vec<Arc<Standby>>,
    serving: usize,
    held: bool,
}

impl Life {
    /// The life of the runtime behind `handle`, begun if it is new.
    pub(super) fn of(handle: &Handle) -> Arc<Self> {
        let mut lives = lock(&LIVES);
        let known = lives.get(&handle.id()).filter(|life| !life.is_closed());
        if let Some(life) = known {
            return life.clone();
        }
        let life = Arc::new(Self {
            id: handle.id(),
            closed: AtomicBool::new(false),
            state: Mutex::new(State {
                handle: Some(handle.clone()),
                threads: config::get().standby_threads.clone(),
                idle: Vec::new(),
                serving: 0,
                held: false,
            }),
            none_serving: Condvar::new(),
            outlook: (0..handle.metrics().num_workers())
                .map(|_| Outlook::default())
                .collect(),
        });
        let before = lives.insert(life.id, life.clone());
        drop(lives);
        drop(before);
        // A runtime that is shutting down drops the sentinel right here, which closes the life before it is used.
        let sentinel = Sentinel(life.clone());
        drop(handle.spawn(async move {
            let _sentinel = sentinel;
            pending::<()>().await;
        }));
        life
    }

    /// Sets what this runtime's standby threads are like from now on.
    pub(super) fn set_threads(&self, threads: StandbyThreads) {
        let before = std::mem::replace(&mut lock(&self.state).threads, threads);
        // Not under the lock: what a hook has captured may come back here when it is dropped.
        drop(before);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// `None` if the runtime has no such worker.
    pub(super) fn outlook(&self, worker: usize) -> Option<&Outlook> {
        self.outlook.get(worker)
    }

    /// A standby to arm with, or why there is none.
    ///
    /// Also when the life is closed: a call that begins while the runtime shuts down must not keep its worker from doing so.
    pub(super) fn standby(
        self: &Arc<Self>,
        signals: SignalMask,
    ) -> Result<Arc<Standby>, NoStandby> {
        let threads = {
            let mut state = lock(&self.state);
            if let Some(standby) = state.idle.pop() {
                return Ok(standby);
            }
            state.threads.clone()
        };
        if observe::gauge::STANDBY_THREADS.get() >= config::get().max_standby_threads {
            return Err(NoStandby::AtLimit);
        }
        Standby::start(self.clone(), &threads, signals).ok_or(NoStandby::NoThread)
    }

    /// Gives back a standby that was not armed after all.
    pub(super) fn keep(&self, standby: Arc<Standby>) {
        let mut state = lock(&self.state);
        if self.is_closed() {
            drop(state);
            standby.exit();
        } else {
            state.idle.push(standby);
        }
    }

    pub(super) fn enter_service(&self) {
        lock(&self.state).serving += 1;
    }

    pub(super) fn leave_service(&self, standby: &Arc<Standby>) {
        self.keep(standby.clone());
        let mut state = lock(&self.state);
        state.serving -= 1;
        if state.serving == 0 {
            state.held = false;
            drop(state);
            self.none_serving.notify_all();
        }
    }

    /// The calling thread has lost its slot: leaves a hold behind if the runtime needs one (rules 1 to 3).
    pub(super) fn retire(self: &Arc<Self>) {
        if on_standby_thread() {
            return;
        }
        let handle = {
            let mut state = lock(&self.state);
            if state.serving == 0 || state.held {
                return;
            }
            state.held = true;
            state.handle.clone()
        };
        let hold = Hold(self.clone());
        match handle {
            Some(handle) => {
                // A panic says that the system had no thread for the job; the job is queued nevertheless, and this very
                // thread comes to it when it has retired.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    drop(handle.spawn_blocking(move || drop(hold)));
                }));
            }
            None => drop(hold),
        }
    }

    fn close(self: &Arc<Self>) {
        let idle = {
            let mut state = lock(&self.state);
            self.closed.store(true, Ordering::Release);
            state.handle = None;
            std::mem::take(&mut state.idle)
        };
        idle.into_iter().for_each(Standby::exit);
        record::release_all_of(self);
        let mut lives = lock(&LIVES);
        if lives
            .get(&self.id)
            .is_some_and(|life| Arc::ptr_eq(life, self))
        {
            lives.remove(&self.id);
        }
    }
}

/// Lets idle standby threads beyond the watermark go. The monitor's last act before it sleeps.
pub(super) fn trim_idle() {
    let lives: Vec<_> = lock(&LIVES).values().cloned().collect();
    for life in lives {
        let surplus = {
            let mut state = lock(&life.state);
            let surplus = state.idle.len().saturating_sub(KEPT_WHEN_IDLE);
            state.idle.drain(..surplus).collect::<Vec<_>>()
        };
        surplus.into_iter().for_each(Standby::exit);
    }
}

/// Why a slot cannot be ceded though the worker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoStandby {
    AtLimit,
    NoThread,
}

/// Dropped by the runtime when it shuts down.
struct Sentinel(Arc<Life>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Waits in its destructor until no standby serves the runtime.
struct Hold(Arc<Life>);

impl Drop for Hold {
    fn drop(&mut self) {
        let life = &self.0;
        drop(
            life.none_serving
                .wait_while(lock(&life.state), |state| state.serving > 0),
        );
    }
}

/// What a worker's next call is likely to be, from its last ones.
///
/// Retaking a slot takes the monitor two scans. A worker whose calls were retaken one after the other loses that
/// time at every call, so it gives its slot away up front until a call proves short. A wrong guess costs either one
/// wake-up (about 5 µs) or one retake (about 75 µs), never an answer.
#[derive(Default)]
pub(super) struct Outlook(AtomicU32);

impl Outlook {
    /// Retaken calls in a row before the next one is taken for long. Guessed.
    const CONVINCED: u32 = 2;

    pub(super) fn is_long(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Self::CONVINCED
    }

    pub(super) fn was_long(&self) {
        let streak = self.0.load(Ordering::Relaxed);
        self.0.store(streak.saturating_add(1), Ordering::Relaxed);
    }

    pub(super) fn was_short(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}
