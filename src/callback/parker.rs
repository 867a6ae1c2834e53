//! How a thread waits for a future: one parker for each callback that waits, so that nested waits do not take each other's
//! wake-ups.

use crate::label::Label;
use crate::slot::{Marks, ThreadSlot};
use crate::sync::lock;
use crate::watchdog::Pending;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

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

/// Polls until there is an output, and parks the thread in between. What is not ready at once has the slot handed off first.
/// The waker that `poll` is given wakes the thread; `on_pending` is called before the thread parks for the first time. `of` is the
/// call that calls back, if one does.
pub(crate) fn wait<T>(
    thread: Option<&ThreadSlot>,
    of: Option<&Label>,
    on_pending: impl FnOnce(),
    mut poll: impl FnMut(&mut Context<'_>) -> Option<T>,
) -> T {
    let parker = Lease::new();
    let cx = &mut Context::from_waker(parker.waker());
    let mut output = poll(cx);
    if let Some(output) = output {
        return output;
    }
    on_pending();
    let mut pending = Pending::new(of);
    let mut park_and_poll = || {
        let marks = thread.and_then(ThreadSlot::marks);
        while output.is_none() {
            // Parked is as good as in C: whoever has a slot that was not handed off may lose it.
            marks.inspect(|marks| marks.enter_c_uncounted());
            parker.park(&mut pending);
            let _ = marks.map(Marks::enter_rust);
            output = poll(cx);
        }
    };
    match thread {
        None => park_and_poll(),
        Some(thread) if thread.is_in_frame() => {
            thread.hand_off(of);
            park_and_poll();
        }
        Some(thread) => thread.cede_parked(of, &mut park_and_poll),
    }
    output.expect("the loop ends with an output")
}

/// A parker, given back for reuse on drop. Wakers that outlive it may wake its next user for nothing, which is harmless.
struct Lease(ManuallyDrop<Box<Parker>>);

impl Lease {
    fn new() -> Self {
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
    fn waker(&self) -> &Waker {
        &self.0.waker
    }

    /// Blocks until the waker has been used since the last time.
    fn park(&self, pending: &mut Pending<'_>) {
        if let Some(patience) = pending.patience() {
            if !self.is_woken_within(patience) {
                pending.is_slow();
            }
        }
        let flag = &self.0.flag;
        let woken = flag.changed.wait_while(lock(&flag.woken), |woken| !*woken);
        *woken.unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn is_woken_within(&self, patience: Duration) -> bool {
        let flag = &self.0.flag;
        let waited = flag
            .changed
            .wait_timeout_while(lock(&flag.woken), patience, |woken| !*woken);
        *waited.unwrap_or_else(PoisonError::into_inner).0
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
