//! Panics that must not cross C: caught on one side, kept, raised on the other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `f`, whose state nobody looks at again if it panics.
#[inline]
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Drops a payload that is not the first one. Its destructor may panic in turn; that one is forgotten.
pub(crate) fn discard(payload: Payload) {
    if let Err(again) = caught(|| drop(payload)) {
        std::mem::forget(again);
    }
}

/// Ends the process: to unwind would skip frames of C's, or tear a state that others rely on.
#[cold]
pub(crate) fn abort(why: &str) -> ! {
    eprintln!("cede: {why}; aborting");
    std::process::abort();
}

/// Runs `f`, and aborts if it unwinds.
#[inline]
pub(crate) fn never_unwinds<R>(why: &'static str, f: impl FnOnce() -> R) -> R {
    struct Bomb(&'static str);
    impl Drop for Bomb {
        fn drop(&mut self) {
            abort(self.0);
        }
    }
    let bomb = Bomb(why);
    let result = f();
    std::mem::forget(bomb);
    result
}
