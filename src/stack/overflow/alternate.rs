//! The stack on which a thread handles signals.
//!
//! Rust gives one to the threads it starts, if the program's `main` is Rust's. Threads of others may have none.

use crate::stack::mapping::{GUARD, Mapping, install_guard};
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// Room for the kernel's signal frame, which is 12 KiB with AVX-512 state, and for handlers.
const SIZE: usize = 64 << 10;

/// Keeps the thread's alternate stack for as long as the thread runs C on our stacks.
pub(in crate::stack) struct AlternateStack {
    /// `None` if the thread had one already, or could not be given one.
    ours: Option<Mapping>,
}

impl AlternateStack {
    /// Sees to it that the calling thread has an alternate stack.
    pub(in crate::stack) fn ensure() -> Self {
        Self {
            ours: if is_missing() { give_one() } else { None },
        }
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // Somebody may have put another one in its place.
        let ours = self.ours.as_ref().map(|ours| ours.start() + GUARD);
        if ours.is_some() && ours == current().map(|stack| stack.ss_sp as usize) {
            let none = libc::stack_t {
                ss_sp: null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: SIZE,
            };
            // SAFETY: the thread is at its end and not in a handler; the mapping goes only after this.
            unsafe { libc::sigaltstack(&raw const none, null_mut()) };
        }
    }
}

fn is_missing() -> bool {
    current().is_some_and(|stack| stack.ss_flags & libc::SS_DISABLE != 0)
}

fn current() -> Option<libc::stack_t> {
    let mut current = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: only asks; the kernel writes to the place it is given.
    let asked = unsafe { libc::sigaltstack(std::ptr::null(), current.as_mut_ptr()) };
    // SAFETY: written if the call succeeded, which is tested first.
    (asked == 0).then(|| unsafe { current.assume_init() })
}

fn give_one() -> Option<Mapping> {
    let mapping = Mapping::new(GUARD + SIZE).ok()?;
    // SAFETY: the low end of a mapping that nobody uses yet.
    unsafe { install_guard(mapping.start()) }.ok()?;
    let stack = libc::stack_t {
        ss_sp: (mapping.start() + GUARD) as *mut _,
        ss_flags: 0,
        ss_size: SIZE,
    };
    // SAFETY: the range is ours, and stays until the thread gives the stack up in `drop`.
    let given = unsafe { libc::sigaltstack(&raw const stack, null_mut()) };
    (given == 0).then_some(mapping)
}
