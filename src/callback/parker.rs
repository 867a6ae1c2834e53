//! How a thread waits for a future: one parker for each callback that waits, so that nested waits do not take each other's
//! wake-ups.

use crate::sync::lock;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Wake, Waker};

/// Parkers that a thread keeps for reuse. Guessed: the depth of nesting that is common.
const KEPT: usize = 16;

thread_local! {
    #[expect(clippy::vec_box, reason = "what is leased is a box")]
    static FREE: RefCell<Vec<Box<Parker>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Flag {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.woken) = true;
        self.changed.notify_one();
    }
}

struct Parker {
    flag: Arc<Flag>,
    waker: Waker,
}

/// A parker, given back for reuse on drop. Wakers that outlive it may wake its next user for nothing, which is harmless.
pub(crate) struct Lease(ManuallyDrop<Box<Parker>>);

impl Lease {
    pub(crate) fn new() -> Self {
        let free = FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten();
        Self(ManuallyDrop::new(free.unwrap_or_else(|| {
            let flag = Arc::<Flag>::default();
            Box::new(Parker {
                waker: flag.clone().into(),
                flag,
            })
        })))
    }

    /// Wakes the thread that parks here.
    pub(crate) fn waker(&self) -> &Waker {
        &self.0.waker
    }

    /// Blocks until the waker has been used since the last time.
    pub(crate) fn park(&self) {
        let flag = &self.0.flag;
        let woken = flag.changed.wait_while(lock(&flag.woken), |woken| !*woken);
        *woken.unwrap_or_else(|poisoned| poisoned.into_inner()) = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // SAFETY: taken once, here, and not used afterwards.
        let mut parker = Some(unsafe { ManuallyDrop::take(&mut self.0) });
        let _thread_ends = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT {
                free.extend(parker.take());
            }
        });
    }
}
