//! C++'s exception state, kept with the C stack it belongs to.
//!
//! The Itanium C++ ABI keeps, for each thread, the exceptions that are being handled and the number of those in flight
//! (`__cxa_eh_globals`: a pointer and an `unsigned`). It takes for granted that a thread's frames nest. Two suspended
//! stacks on one thread do not: without this module, an exception caught on one is found by `throw;` on the other.

use std::ffi::{c_uint, c_void};
use std::ptr::null_mut;

/// `__cxa_eh_globals`, as section 2.2.2 of the ABI lays it out.
#[repr(C)]
struct Globals {
    caught: *mut c_void,
    uncaught: c_uint,
}

/// The state of one stack while another one runs.
#[derive(Debug)]
pub(crate) struct Exceptions {
    caught: *mut c_void,
    uncaught: c_uint,
}

impl Exceptions {
    /// No exception anywhere.
    pub(crate) const NONE: Self = Self {
        caught: null_mut(),
        uncaught: 0,
    };

    /// Swaps this state with the thread's. Done on the way to a C stack and on the way back.
    ///
    /// Thread-bound, like the stack it belongs to. Without a C++ runtime nothing happens.
    pub(crate) fn exchange(&mut self) {
        let Some(globals) = globals() else {
            return;
        };
        // SAFETY: the runtime's own state of this thread, which no other code refers to while we run.
        let globals = unsafe { &mut *globals };
        std::mem::swap(&mut self.caught, &mut globals.caught);
        std::mem::swap(&mut self.uncaught, &mut globals.uncaught);
    }
}

type GetGlobals = unsafe extern "C" fn() -> *mut Globals;

/// The thread's state, if the process has a C++ runtime.
fn globals() -> Option<*mut Globals> {
    // SAFETY: the ABI's function: it takes nothing, and returns this thread's state.
    runtime().map(|get| unsafe { get() })
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod weak {
    use crate::stack::symbol::symbol;

    // A weak reference, filled in by the linker or the loader if the program has a C++ runtime, zero otherwise. Rust has no
    // stable way to say so. A runtime that is linked statically is found in no other way.
    std::arch::global_asm!(
        ".weak __cxa_get_globals",
        ".pushsection .data.rel.ro.cede_cxa,\"aw\"",
        ".balign 8",
        concat!(".globl ", symbol!("cxa_get_globals")),
        concat!(".hidden ", symbol!("cxa_get_globals")),
        concat!(symbol!("cxa_get_globals"), ":"),
        ".quad __cxa_get_globals",
        ".popsection",
    );

    unsafe extern "C" {
        #[link_name = symbol!("cxa_get_globals")]
        pub(super) static GET_GLOBALS: Option<super::GetGlobals>;
    }
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn linked() -> Option<GetGlobals> {
    // SAFETY: a word that nobody writes after the program was loaded.
    unsafe { weak::GET_GLOBALS }
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn linked() -> Option<GetGlobals> {
    None
}

/// The ABI's function. A runtime that comes with a library loaded later is looked up each time until it is there.
fn runtime() -> Option<GetGlobals> {
    use std::sync::atomic::{AtomicPtr, Ordering};
    static LOADED: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    if let Some(linked) = linked() {
        return Some(linked);
    }
    let mut found = LOADED.load(Ordering::Relaxed);
    if found.is_null() {
        // SAFETY: the name is a C string; the handle means all that is loaded.
        found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__cxa_get_globals".as_ptr()) };
        LOADED.store(found, Ordering::Relaxed);
    }
    // SAFETY: the symbol has this type by the ABI, and null is `None`.
    unsafe { std::mem::transmute::<*mut c_void, Option<GetGlobals>>(found) }
}
