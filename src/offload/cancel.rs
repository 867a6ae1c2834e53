//! What a cancellation does to C that runs: nothing, a hook, or a signal.
//!
//! # Rules
//!
//! 1. The hook is run under a lock which C's thread takes when C has returned, before anybody learns of it. So the hook hits
//!    this call or nothing.
//! 2. The signal is sent while the call's life says that C runs: see [`Life::if_in_c`](super::life::Life::if_in_c). What was sent
//!    and not yet delivered when C returns is delivered before anybody learns of it.
//! 3. Either may come too early: C has not got to what can be interrupted yet. So it is repeated until C has returned.

use super::life::Where;
use super::signal::{self, Receiver};
use crate::panic::{caught, discard};
use crate::sync::{Mutex, lock};
use std::fmt;
use std::sync::OnceLock;

/// What becomes of C in an [offloaded](crate::offload()) call that is cancelled: whose future is dropped, or whose
/// [`Canceller`](crate::Canceller) was used.
///
/// Whatever the policy: C that has not begun does not run; its callbacks are refused from then on with
/// [`Refused::Cancelled`](crate::Refused::Cancelled), one that it waits for included; and C is never ended by force. The drop does
/// not wait for it: until C has returned, what it uses (a connection, a buffer) is not free. So the closure should own that, or
/// share it by an `Arc`. To have it back, return it, and cancel with [`cancellable`](crate::Offload::cancellable); or wait with
/// [`drain`](crate::drain()).
#[non_exhaustive]
#[derive(Default)]
pub enum Cancel {
    /// C runs on, and is [counted](crate::Metrics::abandoned_calls) until it has returned. What it returns is dropped on its thread.
    #[default]
    Abandon,
    /// Runs a hook that makes C give up. Made by [`Cancel::interrupt`], which says more.
    Interrupt(Box<dyn FnMut() + Send>),
    /// Sends C's thread a signal, so that the system call that it sits in ends with `EINTR`.
    ///
    /// The handler does nothing, and is installed without `SA_RESTART`. The signal is sent again, at growing intervals from 1 to
    /// 64 ms, until C has returned: it may hit just before the system call. It is sent to this call's thread alone, never while
    /// that thread waits for a callback, and never after C has returned.
    ///
    /// The signal is the highest real-time signal that nobody has a handler for when the first call of this kind is made, or the
    /// one that was chosen with [`Config::cancel_signal`](crate::Config::cancel_signal). A handler that the process has installed
    /// is left alone: if there is no signal free (or the chosen one is not, or the system has no real-time signals and none was
    /// chosen), this is [`Abandon`](Self::Abandon), with a `WARN` event. Do not change its action later. The signal is
    /// unblocked on C's thread while C runs.
    ///
    /// # What it does not do
    ///
    /// C that computes does not notice. C that takes `EINTR` for an invitation to try again (glibc's resolver, stdio, Rust's
    /// `Read::read_exact`) goes on; so do calls that the kernel restarts in any case, and waits for disks. See signal(7) for those
    /// that end.
    Signal,
}

impl Cancel {
    /// Has `hook` make C give up: `sqlite3_interrupt`, a flag that a progress callback looks at, `shutdown` of a socket.
    ///
    /// It is tied to this call: it runs between C's beginning and C's return, at no other time, so it never hits the
    /// next statement. It runs once in the drop (or in [`Canceller::cancel`](crate::Canceller::cancel)), and again on a thread of the
    /// crate's, at growing intervals from 1 to 64 ms, until C has returned: the first may come before C has got to what can be
    /// interrupted. C's return waits for a hook that runs. So it must be quick, and must not wait for the call. A panic of
    /// the hook goes no further.
    ///
    /// ```no_run
    /// # struct Db(*mut std::ffi::c_void);
    /// # unsafe impl Send for Db {}
    /// # fn sqlite3_interrupt(_: *mut std::ffi::c_void) {}
    /// # async fn f(db: Db, query: impl FnOnce() -> i32 + Send + 'static) {
    /// let query = cede::offload(query).on_cancel(cede::Cancel::interrupt(move || {
    ///     let db = &db; // all of it, and not the pointer in it alone, which is not `Send`
    ///     // The connection is open: the query is at it.
    ///     sqlite3_interrupt(db.0);
    /// }));
    /// let rows = tokio::time::timeout(std::time::Duration::from_millis(50), query).await;
    /// # }
    /// ```
    pub fn interrupt(hook: impl FnMut() + Send + 'static) -> Self {
        Self::Interrupt(Box::new(hook))
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Abandon => "Abandon",
            Self::Interrupt(_) => "Interrupt(..)",
            Self::Signal => "Signal",
        })
    }
}

/// A policy at work.
pub(super) enum Grip {
    None,
    Hook(Mutex<Hook>),
    /// Set by C's thread before C begins.
    Signal(OnceLock<Receiver>),
}

pub(super) struct Hook {
    /// There until C has returned.
    hook: Option<Box<dyn FnMut() + Send>>,
    in_c: bool,
}

impl From<Cancel> for Grip {
    fn from(policy: Cancel) -> Self {
        match policy {
            Cancel::Abandon => Self::None,
            Cancel::Interrupt(hook) => Self::Hook(Mutex::new(Hook {
                hook: Some(hook),
                in_c: false,
            })),
            Cancel::Signal => match signal::is_free() {
                true => Self::Signal(OnceLock::new()),
                false => Self::None,
            },
        }
    }
}

impl Grip {
    /// Whether there is something to interrupt with.
    pub(super) fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// C thread: C may begin.
    pub(super) fn begin(&self) {
        match self {
            Self::None => {}
            Self::Hook(hook) => lock(hook).in_c = true,
            Self::Signal(receiver) => {
                let _ = receiver.set(Receiver::current());
            }
        }
    }

    /// C thread: C has returned, and nobody knows yet.
    pub(super) fn release(&self) {
        if let Self::Hook(hook) = self {
            let hook = lock(hook).hook.take();
            caught(|| drop(hook)).unwrap_or_else(discard);
        }
    }

    /// C thread: C has returned, and its life says so.
    pub(super) fn settle(&self) {
        if let Self::Signal(receiver) = self {
            receiver.get().into_iter().for_each(Receiver::settle);
        }
    }

    /// Anybody: interrupts C once. Whether it is to be done again.
    pub(super) fn press(&self, if_in_c: impl FnOnce(&mut dyn FnMut()) -> Where) -> bool {
        match self {
            Self::None => false,
            Self::Hook(hook) => {
                let mut hook = lock(hook);
                let in_c = hook.in_c;
                match &mut hook.hook {
                    Some(hook) if in_c => {
                        caught(hook).unwrap_or_else(discard);
                        true
                    }
                    _ => false,
                }
            }
            Self::Signal(receiver) => {
                let mut send = || receiver.get().into_iter().for_each(Receiver::send);
                if_in_c(&mut send) != Where::Elsewhere
            }
        }
    }
}
