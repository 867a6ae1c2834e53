//! An asymmetric fence: nearly free for the side that runs often, a system call for the side that runs rarely.
//!
//! Two threads that each store a flag and then load the other's need a full fence on both sides, or both may read
//! the old value. A worker makes that exchange twice a call, the monitor only when it is about to retake a slot. So the
//! monitor pays for both: `membarrier(PRIVATE_EXPEDITED)` makes every running thread of the process pass a full
//! fence, and the worker is left with a fence for the compiler alone. Where the system call is missing (other
//! systems, old kernels, sandboxes) both sides take a real fence, which costs the worker some 8 ns.

use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
use std::thread;
use std::time::Duration;

/// Whether `heavy_fence` reaches into the other threads. Set by each of the threads that call `heavy_fence`, before its first
/// use.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// The frequent side: put between its store and its load.
#[inline(always)]
pub(crate) fn light_fence() {
    if ASYMMETRIC.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The rare side: put between its store and its load. `false` if the kernel has come to refuse it (a sandbox that was entered
/// late): then nothing may be concluded from the load.
#[must_use]
pub(crate) fn heavy_fence() -> bool {
    fence(Ordering::SeqCst);
    !ASYMMETRIC.load(Ordering::Relaxed) || membarrier(Command::Fence)
}

/// As [`heavy_fence`], where the frequent side has no fence at all but a compiler's: without the kernel's help it waits, longer by
/// far than a store takes to leave a processor. `true` if more than experience says so.
pub(crate) fn heavy_fence_or_wait() -> bool {
    const LONGER_THAN_A_STORE: Duration = Duration::from_millis(1);
    fence(Ordering::SeqCst);
    if ASYMMETRIC.load(Ordering::Relaxed) && membarrier(Command::Fence) {
        return true;
    }
    thread::sleep(LONGER_THAN_A_STORE);
    fence(Ordering::SeqCst);
    // Where a processor's stores become visible in their order.
    cfg!(any(target_arch = "x86_64", target_arch = "x86"))
}

/// Asks the kernel for the asymmetric form. Called by the monitor and the watchdog before they look for the first time; until
/// then, and if the kernel declines, both fences are real ones.
pub(crate) fn register_heavy_fence() {
    if membarrier(Command::Register) {
        ASYMMETRIC.store(true, Ordering::SeqCst);
    }
}

enum Command {
    Register,
    Fence,
}

#[cfg(target_os = "linux")]
fn membarrier(command: Command) -> bool {
    // Values of `enum membarrier_cmd` in linux/membarrier.h, stable since Linux 4.14.
    const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;
    let command = match command {
        Command::Register => REGISTER_PRIVATE_EXPEDITED,
        Command::Fence => PRIVATE_EXPEDITED,
    };
    // SAFETY: membarrier takes two integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0 as libc::c_long) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn membarrier(_: Command) -> bool {
    false
}
