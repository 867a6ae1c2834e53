//! A runtime that shuts down with its blocking threads in C: what they wait for may never come.
//!
//! A call's future is dropped with its task, which refuses the callbacks. But it may have been forgotten, or be polled by a runtime
//! that waits for this one to end; then its C thread waits for a callback that nobody polls, and the runtime for the thread.
//!
//! # Rules
//!
//! 1. A call that runs on a runtime's blocking thread is registered with its first callback, until C has returned.
//! 2. A sentinel task, which the runtime drops when it shuts down, closes the runtime's register and cancels all that are in it.
//!    A call that comes to a closed register is refused.
//! 3. Ids of runtimes may be used again. A register is looked up by id only until it is closed.

use crate::sync::{Mutex, lock};
use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::mem::take;
use std::sync::{Arc, LazyLock, Weak};
use tokio::runtime::{Handle, Id};

/// A call that can be cancelled.
pub(super) trait Cancellable: Send + Sync {
    fn cancel(self: Arc<Self>);
}

static REGISTERS: LazyLock<Mutex<HashMap<Id, Arc<Register>>>> = LazyLock::new(Mutex::default);

struct Register {
    id: Id,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    running: BTreeMap<u64, Weak<dyn Cancellable>>,
    next: u64,
    closed: bool,
}

/// Leaves the register on drop.
#[must_use]
pub(super) struct Registered(Arc<Register>, u64);

/// The runtime shuts down.
#[derive(Debug)]
pub(super) struct ShutsDown;

/// Registers a call that the calling thread runs. `None` on a thread of no runtime, which waits for nobody.
pub(super) fn register(call: Weak<dyn Cancellable>) -> Result<Option<Registered>, ShutsDown> {
    let Ok(runtime) = Handle::try_current() else {
        return Ok(None);
    };
    let register = Register::of(&runtime);
    let number = {
        let mut calls = lock(&register.calls);
        if calls.closed {
            return Err(ShutsDown);
        }
        calls.next += 1;
        let number = calls.next;
        calls.running.insert(number, call);
        number
    };
    Ok(Some(Registered(register, number)))
}

impl Register {
    fn of(runtime: &Handle) -> Arc<Self> {
        let mut registers = lock(&REGISTERS);
        if let Some(register) = registers.get(&runtime.id()) {
            return register.clone();
        }
        let register = Arc::new(Self {
            id: runtime.id(),
            calls: Mutex::default(),
        });
        registers.insert(register.id, register.clone());
        drop(registers);
        // A runtime that is shutting down drops the sentinel right here.
        let sentinel = Sentinel(register.clone());
        drop(runtime.spawn(async move {
            let _sentinel = sentinel;
            pending::<()>().await;
        }));
        register
    }

    fn close(self: &Arc<Self>) {
        let mut registers = lock(&REGISTERS);
        let is_mine = |register: &Arc<Self>| Arc::ptr_eq(register, self);
        if registers.get(&self.id).is_some_and(is_mine) {
            registers.remove(&self.id);
        }
        drop(registers);
        let running = {
            let mut calls = lock(&self.calls);
            calls.closed = true;
            take(&mut calls.running)
        };
        let running = running.into_values().filter_map(|call| call.upgrade());
        running.for_each(|call| call.cancel());
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let call = lock(&self.0.calls).running.remove(&self.1);
        drop(call);
    }
}

struct Sentinel(Arc<Register>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.0.close();
    }
}
