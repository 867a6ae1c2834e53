//! A C stack that is full: say so, then die as the process would have died anyway.
//!
//! The first byte below a stack lies in its guard. The SIGSEGV that follows arrives on the alternate signal stack, for the
//! stack it would otherwise use is the full one. The handler looks the address up among the guards of our stacks; if it is
//! one of them, it writes what happened and what to do, restores the default action and returns, so that the same
//! instruction faults again and ends the process by the same signal. Every other fault is passed on to the handler that was
//! there before. (Two things differ for that handler: it runs on the alternate stack, and with the signal mask of ours.)

mod alternate;
mod watch;

pub(super) use alternate::AlternateStack;
pub(super) use watch::{unwatch, watch};

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// Writes the call that runs on this thread, for the message. Set by the layer that knows of calls; it must do nothing
/// that a signal handler may not do.
pub(crate) type Describe = fn(&mut dyn FnMut(&[u8]));

static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
static DESCRIBE: OnceLock<Describe> = OnceLock::new();

/// Installs the handler. Later calls do nothing.
pub(super) fn install(describe: Describe) {
    DESCRIBE.get_or_init(|| describe);
    BEFORE.get_or_init(|| {
        // SAFETY: all zeroes is a valid sigaction: the default action, no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let mut before = MaybeUninit::uninit();
        // SAFETY: both point to sigactions, of which the kernel reads the one and writes the other.
        let status =
            unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, before.as_mut_ptr()) };
        assert_eq!(status, 0, "SIGSEGV can be handled");
        // SAFETY: written by the call above.
        unsafe { before.assume_init() }
    });
}

/// The signal handler.
extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes the signal's information.
    let told = unsafe { &*info };
    // SAFETY: for SIGSEGV the address is part of it.
    let address = unsafe { told.si_addr() } as usize;
    // A SIGSEGV that somebody sent has a code of zero or less, and no address.
    if told.si_code > 0 && watch::is_guard(address) {
        report();
        restore_default(signal);
    } else {
        pass_on(signal, told.si_code, info, context);
    }
}

/// Writes the message. Async-signal-safe: nothing but `write` on what is there already.
fn report() {
    write(b"\ncede: the C stack of call ");
    match DESCRIBE.get() {
        Some(describe) => describe(&mut write),
        None => write(b"(unknown)"),
    }
    write(
        b" has overflowed.\n      Give it more with .stack_size(bytes), or run it on the thread's own stack \
          with .on_thread_stack().\n",
    );
}

fn write(bytes: &[u8]) {
    // SAFETY: the range is a slice. A message that cannot be written is lost; the process dies either way.
    unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}

fn restore_default(signal: libc::c_int) {
    // SAFETY: all zeroes is a valid sigaction, the default action.
    let action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: sigaction is async-signal-safe, and reads what the pointer points to.
    unsafe { libc::sigaction(signal, &raw const action, null_mut()) };
}

/// Does what would have been done without us.
fn pass_on(
    signal: libc::c_int,
    code: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(before) = BEFORE.get() else {
        // Another thread is just installing the handler: let the instruction fault again.
        return;
    };
    match before.sa_sigaction {
        // Ignored, a sent signal has no effect; that of a fault kills all the same.
        libc::SIG_IGN if code <= 0 => (),
        libc::SIG_DFL | libc::SIG_IGN => {
            restore_default(signal);
            if code <= 0 {
                // No instruction will fault again: send it once more, to be delivered when this handler returns.
                // SAFETY: async-signal-safe.
                unsafe { libc::raise(signal) };
            }
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: with SA_SIGINFO the field holds a function of this type.
            let handler: Handler = unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without SA_SIGINFO the field holds a function of this type.
            let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}
