//! The slot of a worker: ceded around C, retaken when C lasts, re-acquired when C returns.
//!
//! # States of a worker's core
//!
//! ```text
//!                      frame opens                          monitor retakes, or the owner hands off
//!   held by its thread ───────────▶ in the cell, ours still ───────────────────────────────────────▶ standby's
//!            ▲                            │                                                              │
//!            └────────────────────────────┘                                                              ▼
//!                  frame closes                                 the owner's task goes back to the run queue
//! ```
//!
//! # Rules
//!
//! 1. While a frame is open and its slot is not lost, nobody runs on it: a callback may use it by marking even.
//! 2. The [`handshake`] decides between owner and monitor while the frame is open. At its end the cell decides: after
//!    every frame [`core::has_core`] says who has the core. For the cell belongs to the worker, not to the frame: a job that
//!    a user's own `block_in_place` has left behind, a standby that was let go and came too late, or the end of another
//!    thread's frame of the same worker may take the core out of it. Rule 1 then fails for as long as that frame is open,
//!    which is to say for one poll.
//! 3. A thread whose frame ended without its core polls no further: its task is woken and returns `Pending`, always.
//!    (tokio itself lets the task run on, so that more tasks than workers are being polled.)
//! 4. A thread arms only when it holds its core, and for one job: `(runtime, worker)`. With the job the standby goes.
//! 5. What decides is the thread's own job, not the handle that happens to be entered. tokio does not tell a thread's job,
//!    so there are two exceptions: with a current-thread runtime's handle entered on a worker, the worker is not
//!    recognised and nothing is ceded; and a worker whose very first call is made with another multi-thread runtime's
//!    handle entered is taken for one of that runtime's.
//!
//! The parts: [`handshake`] is the pure protocol, `record` what others see of a thread, [`core`] tokio's hand-off,
//! `standby` the thread that takes over, `life` the runtime it works for, `monitor` the scan, `in_c` the watchdog's. Of the owner,
//! [`thread`] is what it knows, `job` how it finds out what it is, `frame` where it is, [`cede`] what it does; `allowance` and
//! `turns` say how long it may go on doing so, `in_place` what it has in flight, [`footing`] and `imprint` what keeps it on a stack.

mod allowance;
mod cede;
mod core;
mod footing;
mod frame;
mod handshake;
mod imprint;
mod in_c;
mod in_place;
mod job;
mod life;
mod monitor;
mod record;
mod self_test;
mod signals;
mod standby;
mod thread;
mod turn_end;
mod turns;

pub(crate) use footing::{Held, Loose, is_loose};
pub(crate) use frame::{Frame, FrameGuard, Marks};
pub(crate) use imprint::Imprint;
#[cfg(test)]
pub(crate) use in_c::shown_here;
pub(crate) use in_place::InPlace;
pub(crate) use job::{Job, in_local_set, in_task_without_worker, is_task_waker};
use life::Life;
pub(crate) use record::counted;
pub(crate) use thread::{ThreadSlot, known_thread, with_tally, with_thread};

use crate::config::StandbyThreads;
use tokio::runtime::{Handle, RuntimeFlavor};

impl StandbyThreads {
    /// Makes these the settings of one runtime.
    ///
    /// They hold for threads that start from now on: apply them before the runtime's first call. On a current-thread
    /// runtime, which has no standby threads, nothing happens.
    pub fn apply_to(self, runtime: &Handle) {
        if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
            Life::of(runtime).set_threads(self);
        }
    }
}
