//! The system's number of a thread: what `ps -L`, `gdb` and `/proc` call it by.

use std::cell::Cell;

thread_local! {
    static OWN: Cell<i32> = const { Cell::new(0) };
}

/// The calling thread's. Out of line: on a C stack it may be another one the next time.
#[inline(never)]
pub(crate) fn own() -> i32 {
    if OWN.get() == 0 {
        OWN.set(ask());
    }
    OWN.get()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn ask() -> i32 {
    // SAFETY: takes nothing, and cannot fail.
    unsafe { libc::gettid() }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn ask() -> i32 {
    0
}
