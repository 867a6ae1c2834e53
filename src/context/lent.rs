//! What is lent to C that has no user data to find it by: found by its type, through the running call.
//!
//! ```text
//!   thread's own stack      C stack of call 1        C stack of call 2
//!   ──────────────────      ─────────────────        ─────────────────
//!   lend(a) ── call 1 ────▶ lend(b) ── call 2 ─────▶ C, in a callback: finds b, then a
//! ```
//!
//! # Rules
//!
//! 1. An entry lies in the frame of [`lend`], and is on the list of the stack that this frame is on: the running call's, or
//!    the thread's where no call runs. The frames of one stack nest, so a list is shortened at the end where it grew, also
//!    when calls that are suspended take turns on their thread.
//! 2. [`find`] goes the way from the innermost call outwards, then to the thread's own list: all that it passes are frames
//!    below its caller. A call that is suspended is not on that way.
//! 3. An entry that is never taken off (its stack was suspended and leaked) is on a list that nobody has any more.

use super::{Context, with_current};
use std::any::TypeId;
use std::cell::Cell;
use std::ptr::{NonNull, null};

/// The innermost entry, or null.
#[derive(Debug)]
pub(super) struct List(Cell<*const Lent>);

impl List {
    const fn new() -> Self {
        Self(Cell::new(null()))
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

thread_local! {
    /// Of the thread's own stack.
    static LENT: List = const { List::new() };
}

pub(super) struct Lent {
    key: TypeId,
    what: NonNull<()>,
    /// The next one outwards on the same stack.
    outer: *const Lent,
}

/// Has [`find`] find `what` for code under C, while `f` runs.
pub(crate) fn lend<R>(key: TypeId, what: NonNull<()>, f: impl FnOnce() -> R) -> R {
    /// Shortens the list on drop.
    struct Entered<'a>(&'a List, *const Lent);
    impl Drop for Entered<'_> {
        fn drop(&mut self) {
            self.0.0.set(self.1);
        }
    }
    let list = list();
    // SAFETY: that of a call whose C frames are below, or that of this thread: there until `f` has returned. What runs on a stack that
    // may be left has a call's, which goes where the stack goes.
    let list = unsafe { list.as_ref() };
    let entry = Lent {
        key,
        what,
        outer: list.0.get(),
    };
    let _entered = Entered(list, list.0.replace(&raw const entry));
    f()
}

/// What is lent under this key, seen from code under C.
///
/// Never inlined: whoever calls this twice may be on another thread by then (see [`here`](crate::here)).
#[inline(never)]
pub(crate) fn find(key: TypeId) -> Option<NonNull<()>> {
    with_current(|mut context| {
        while let Some(call) = context {
            let lent = call.extras.get().map(|extras| &extras.lent);
            if let Some(what) = lent.and_then(|lent| find_in(lent, key)) {
                return Some(what);
            }
            context = call.outer();
        }
        LENT.with(|list| find_in(list, key))
    })
}

#[inline]
fn find_in(list: &List, key: TypeId) -> Option<NonNull<()>> {
    let mut next = list.0.get();
    // SAFETY: by rules 1 and 2 the entry lies in a frame below the caller's; what it says of the next one, too.
    while let Some(entry) = unsafe { next.as_ref() } {
        if entry.key == key {
            return Some(entry.what);
        }
        next = entry.outer;
    }
    None
}

/// The list of the stack that the caller is on. Never inlined, as [`find`].
#[inline(never)]
fn list() -> NonNull<List> {
    with_current(|context: Option<&Context>| match context {
        Some(call) => NonNull::from(&call.extras().lent),
        None => LENT.with(|list| NonNull::from(list)),
    })
}
