//! Closures as C's function pointer and user data.

mod bare;
mod borrowed;
mod errno;
mod events;
mod given;
mod leaf;
mod panics;
mod reentry;
mod refused;
mod sendable;
mod shapes;
mod signatures;

use cede_fixtures::callback::call_once;
use std::ffi::{c_int, c_void};

/// What [`call_once`] and others take.
type Function = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

/// Has C call back, once.
///
/// Each test answers for what it passes: a callback's own pointers, while it is there.
fn once(function: Function, data: *mut c_void, arg: c_int) -> c_int {
    // SAFETY: as above.
    unsafe { call_once(function, data, arg) }
}
