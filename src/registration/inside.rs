//! Which registrations' callbacks enclose the running code, so that one that waits for its registration's callbacks does not
//! wait for itself.
//!
//! While a callback's closure runs, and while its future is polled, a link lies on the stack of the poll, and a thread-local points to the innermost link.

use crate::here;
use crate::slot::Held;
use crate::token::table::Key;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::ptr::null;

struct Link {
    key: Key,
    outer: *const Link,
}

thread_local! {
    static INNERMOST: Cell<*const Link> = const { Cell::new(null()) };
}

/// Restores the outer link on drop.
struct Entered(*const Link);

impl Drop for Entered {
    fn drop(&mut self) {
        INNERMOST.set(self.0);
    }
}

/// Runs `f` inside a callback of registration `key`. If that is on a stack that may be set aside it is not, meanwhile: the link lies
/// there.
pub(super) fn enter<R>(key: Key, f: impl FnOnce() -> R) -> R {
    here::with(|here| {
        let _held = Held::enter(here);
        enter_held(key, f)
    })
}

fn enter_held<R>(key: Key, f: impl FnOnce() -> R) -> R {
    let link = Link {
        key,
        outer: INNERMOST.get(),
    };
    // Dropped before `link`, in the reverse order of their declaration.
    let _entered = Entered(INNERMOST.replace(&link));
    f()
}

/// The future of a callback of registration `key`.
pub(super) async fn callback<F: Future>(key: Key, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| enter(key, || future.as_mut().poll(cx))).await
}

/// How many callbacks of this registration enclose the caller.
pub(super) fn depth(key: Key) -> u32 {
    let mut depth = 0;
    let mut link = INNERMOST.get();
    // SAFETY: null, or a link in a frame of this thread that has not returned: it was unlinked otherwise.
    while let Some(inner) = unsafe { link.as_ref() } {
        depth += u32::from(inner.key == key);
        link = inner.outer;
    }
    depth
}
