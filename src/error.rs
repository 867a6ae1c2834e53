//! Why a callback cannot run.

use std::error::Error;
use std::fmt;

/// Why a callback was not run, or not run to its end. C has to be told in its own terms: return the library's error code.
///
/// A refusal is not a panic and unwinds nothing: it is a value for the Rust code under C to turn into whatever makes C
/// give up by its own rules.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// This thread runs no [`call`](crate::call), nor an [offloaded](crate::offload()) one: C was called by other means, or it called from a thread of its own.
    NoCall,
    /// The call's future was dropped while C was suspended or ran elsewhere, or the call was cancelled, or the runtime whose thread
    /// it runs on shuts down; C is to return.
    Cancelled,
    /// A callback of this call has panicked, now or earlier. The panic is raised from the awaited call once C has
    /// returned; until then no further callback runs.
    Panicked,
    /// The thread is unwinding. A future is not polled by destructors that run because of a panic.
    Panicking,
    /// The future is not `Send`, and the call's task is on another thread, or may be.
    NotLocal,
    /// The future is not ready, and to wait for it here would stop the only thread that can make it so: a current-thread
    /// runtime or a `LocalSet`. Make the call [`suspendable`](crate::Call::suspendable).
    WouldStarve,
    /// This [`Callback`](crate::Callback) is running, or pending, further out, and its closure is one that cannot be
    /// entered twice ([`Callback::shared`](crate::Callback::shared) can).
    Reentered,
    /// The function of a [`bare`](crate::Callback::bare) callback was called where none of its type is lent: on another
    /// thread, or after the function that it was lent to.
    NotLent,
    /// The runtime that was to run the callback of a [`Registered`](crate::Registered) has shut down. Told in events alone.
    Shutdown,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCall => "callback refused: no cede::call is running on this thread",
            Self::Cancelled => "callback refused: the call was cancelled",
            Self::Panicked => "callback refused: a callback of this call has panicked",
            Self::Panicking => "callback refused: the thread is panicking",
            Self::NotLocal => "callback refused: a future that is not Send cannot run under a call whose task is on another thread, or may be",
            Self::Reentered => "callback refused: its closure is running already",
            Self::NotLent => "callback refused: a bare callback was called where it is not lent",
            Self::WouldStarve => {
                "callback refused: waiting here would stop the only thread that can wake it; \
                 make the call suspendable: cede::call(..).suspendable()"
            }
            Self::Shutdown => "callback refused: its runtime has shut down",
        })
    }
}

impl Error for Refused {}
