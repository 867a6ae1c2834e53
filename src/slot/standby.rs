//! A standby: a thread that waits, with `run(worker)` queued behind it, to take a worker's place.
//!
//! tokio queues `run(worker)` on the blocking pool of the handle that is current when `block_in_place` is called.
//! A standby is a runtime of one blocking thread, and that thread is held by our own job. Let go, it runs what
//! tokio queued: it takes the core if the core is there, and is the worker from then on.
//!
//! ```text
//!   blocking thread:   hold ──release──▶ run(worker) ─────ends────▶ rejoin ──▶ hold …
//!   queue behind it:   [run(worker)]     [rejoin]                   []
//! ```
//!
//! # Rules
//!
//! 1. `release` queues `rejoin` before it lets the thread go: `rejoin` runs when `run(worker)` has ended.
//! 2. From `release` to `rejoin` the runtime counts the standby as serving (`Life::enter_service`).
//! 3. A standby belongs to one runtime; its thread has that runtime's name, stack size and hooks.
//! 4. The thread shuts its own runtime down when it is told to exit. Nobody waits for it.

use super::life::Life;
use super::signals::SignalMask;
use crate::config::StandbyThreads;
use crate::observe;
use crate::sync::lock;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

thread_local! {
    static ON_STANDBY: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is a standby's.
pub(super) fn on_standby_thread() -> bool {
    ON_STANDBY.get()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Hold,
    Run,
    Exit,
}

pub(super) struct Standby {
    handle: Handle,
    /// Taken by the thread itself when it exits.
    runtime: Mutex<Option<Runtime>>,
    order: Mutex<Order>,
    changed: Condvar,
    life: Arc<Life>,
}

impl Standby {
    /// Starts a standby thread, which blocks `signals`. `None` if the system has no thread to give.
    pub(super) fn start(
        life: Arc<Life>,
        threads: &StandbyThreads,
        signals: SignalMask,
    ) -> Option<Arc<Self>> {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(1);
        threads.configure(&mut builder);
        let runtime = builder.build().ok()?;
        let standby = Arc::new(Self {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            order: Mutex::new(Order::Hold),
            changed: Condvar::new(),
            life,
        });
        // Weak: a job that no thread comes to run stays in the queue, which the standby owns.
        let body = Arc::downgrade(&standby);
        // tokio panics if the system refuses the thread; the caller goes on without ceding.
        let spawned = catch_unwind(AssertUnwindSafe(|| {
            drop(standby.handle.spawn_blocking(move || {
                ON_STANDBY.set(true);
                signals.apply();
                body.upgrade().inspect(|standby| standby.hold());
            }));
        }));
        if spawned.is_err() {
            standby.shut_down();
            return None;
        }
        observe::gauge::STANDBY_THREADS.add(1);
        observe::counter::STANDBY_THREADS_STARTED.add(1);
        Some(standby)
    }

    /// Makes this standby's pool the one that `block_in_place` queues on.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    pub(super) fn serves(&self, life: &Arc<Life>) -> bool {
        Arc::ptr_eq(&self.life, life)
    }

    /// Lets the thread run what is queued behind it (rules 1 and 2).
    pub(super) fn release(self: Arc<Self>) {
        self.life.enter_service();
        let this = self.clone();
        // The pool is at its one thread, so this only queues.
        drop(self.handle.spawn_blocking(move || this.rejoin()));
        self.order(Order::Run);
    }

    /// Ends the thread of a standby that nobody uses.
    pub(super) fn exit(self: Arc<Self>) {
        self.order(Order::Exit);
    }

    fn order(&self, order: Order) {
        *lock(&self.order) = order;
        self.changed.notify_one();
    }

    fn rejoin(self: Arc<Self>) {
        *lock(&self.order) = Order::Hold;
        self.life.leave_service(&self);
        self.hold();
    }

    fn hold(&self) {
        let held = self
            .changed
            .wait_while(lock(&self.order), |order| *order == Order::Hold)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let order = *held;
        drop(held);
        if order == Order::Exit {
            observe::gauge::STANDBY_THREADS.sub(1);
            self.shut_down();
        }
    }

    fn shut_down(&self) {
        if let Some(runtime) = lock(&self.runtime).take() {
            runtime.shutdown_background();
        }
    }
}
