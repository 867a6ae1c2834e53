//! Rust under C, without the ceremony.

use cede_fixtures::nest::{Frames, nest_deep};
use cede_fixtures::{bridge, callback};
use std::ffi::c_int;

/// Has C call `f` back, and returns what `f` returned.
///
/// `f` is Rust code under a C frame, as a trampoline is: it must not unwind.
pub fn under_c<T>(f: impl FnOnce() -> T) -> T {
    let mut f = Some(f);
    let mut returned = None;
    let mut trampoline = |_: c_int| {
        returned = f.take().map(|f| f());
        0
    };
    let (cb, ud) = bridge(&mut trampoline);
    // SAFETY: the trampoline outlives the call, and runs on this thread alone.
    unsafe { callback::call_once(cb, ud, 0) };
    returned.expect("C has called back")
}

/// Has `depth` counted C frames call `f` back, which returns a negative number to tell C of an error; returns C's
/// result.
pub fn under_nested_c(frames: &Frames, depth: c_int, mut f: impl FnMut() -> c_int) -> c_int {
    let mut trampoline = |_: c_int| f();
    let (cb, ud) = bridge(&mut trampoline);
    // SAFETY: the trampoline and the counters outlive the call.
    unsafe { nest_deep(cb, ud, 0, frames, depth) }
}
