//! Calling a function on another stack: there, and from there on the stack below.
//!
//! ```text
//!   the task's stack               the C stack
//!   ────────────────               ───────────
//!   call(job) ──────── call ─────▶ job runs, calls C
//!        f ◀────────── call ────── call_below(f), in a callback
//!          ─────────── return ───▶ C goes on
//!             ◀─────── return ──── job has returned
//! ```
//!
//! Calls and returns nest, as on one stack, so the processor predicts them, and a debugger or a backtrace goes from one
//! stack to the next. A stack that is to be left in the midst of its job is a [`Fiber`](super::Fiber)'s matter.
//!
//! A twin owes a `Machine` with `new`, `call` and `call_below`, as documented in `x86_64`. The portable one is built on
//! fibers, and makes a new one each time: correct wherever corosensei is, but slower.

#[cfg(all(
    target_arch = "x86_64",
    target_pointer_width = "64",
    target_os = "linux",
    not(cede_portable)
))]
mod x86_64;
#[cfg(all(
    target_arch = "x86_64",
    target_pointer_width = "64",
    target_os = "linux",
    not(cede_portable)
))]
pub(super) use x86_64::Machine;

#[cfg(not(all(
    target_arch = "x86_64",
    target_pointer_width = "64",
    target_os = "linux",
    not(cede_portable)
)))]
mod portable;
#[cfg(not(all(
    target_arch = "x86_64",
    target_pointer_width = "64",
    target_os = "linux",
    not(cede_portable)
)))]
pub(super) use portable::Machine;
