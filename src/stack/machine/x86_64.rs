//! [`Machine`] for Linux on x86_64.
//!
//! ```text
//!      the task's stack                     the C stack
//!   │ frames of the task   │             ┌──────────────────────┐ ◀── top
//!   ├──────────────────────┤             │ (keeps it aligned)   │
//!   │ return address       │ ◀───────┐   ├──────────────────────┤
//!   ├──────────────────────┤         └───┼─ the anchor          │ ◀── top - 16
//!   │ (keeps it aligned)   │             ├──────────────────────┤
//!   ├──────────────────────┤ ◀── below   │ return address       │
//!   │ call_below's frames  │             │ the job's frames, C  │
//!   ~                      ~             ~                      ~
//! ```
//!
//! While a job runs, the anchor says where the stack below was left; what lies under that address is free, for the
//! function that left it has no red zone. By the anchor unwinders find the way back, too. `rbp` is left alone: the chain of frame
//! pointers goes from the job's frames to the task's.

use crate::stack::slab::Region;
use crate::stack::symbol::symbol;
use crate::stack::{Job, Outcome, Run};
use std::arch::global_asm;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// From the top of a stack to its anchor.
const ANCHOR: usize = 16;
const RETURN_ADDRESS: usize = 8;

// rdi: the argument, rsi: the top of the stack to run on, rdx: the function. What that returns passes through in rax.
global_asm!(
    ".p2align 4",
    concat!(".globl ", symbol!("call_on")),
    concat!(".hidden ", symbol!("call_on")),
    concat!(".type ", symbol!("call_on"), ", @function"),
    concat!(symbol!("call_on"), ":"),
    ".cfi_startproc",
    // gdb takes a stack that goes on at a higher address for a broken one, except where a signal may have switched it.
    ".cfi_signal_frame",
    "mov [rsi - {anchor}], rsp",
    "lea rsp, [rsi - {anchor}]",
    // From here on the frame is found by way of the anchor, to which rsp points: DW_CFA_def_cfa_expression, 5 bytes:
    // DW_OP_breg7 (rsp) 0, DW_OP_deref, DW_OP_plus_uconst 8.
    ".cfi_escape 0x0f, 5, 0x77, 0, 0x06, 0x23, 8",
    "call rdx",
    "mov rsp, [rsp]",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    concat!(".size ", symbol!("call_on"), ", . - ", symbol!("call_on")),
    anchor = const ANCHOR,
);

#[expect(
    improper_ctypes,
    reason = "an outcome is an option of a box, which is a pointer"
)]
unsafe extern "C" {
    #[link_name = symbol!("call_on")]
    fn call_on(argument: *mut (), top: *mut (), run: Run) -> Outcome;
}

pub(in crate::stack) struct Machine {
    top: NonNull<()>,
}

/// Stacks begin at different places of their first page: stacks of calls that nest are used together, and at the same place they
/// would compete for the same few lines of the processor's first cache. Between two places lies what a call and its callback
/// take, about; as many places as an x86 processor's first cache has ways. Without it a level of nesting took half as long again.
const PLACES: usize = 8;
const APART: usize = 512;

static NEXT_PLACE: AtomicUsize = AtomicUsize::new(0);

impl Machine {
    pub(in crate::stack) fn new(region: &Region) -> Self {
        let place = NEXT_PLACE.fetch_add(1, Ordering::Relaxed) % PLACES;
        let top = std::ptr::with_exposed_provenance_mut(region.base() - place * APART);
        Self {
            top: NonNull::new(top).expect("nothing is mapped at zero"),
        }
    }

    /// Runs `job` on this stack, and returns when it has returned.
    ///
    /// # Safety
    ///
    /// This stack is there and idle. `job` may be run.
    #[inline(always)]
    pub(in crate::stack) unsafe fn call(&self, job: Job) -> Outcome {
        // SAFETY: the top of a stack that is aligned to 16, and idle: whatever it holds is nobody's.
        unsafe { call_on(job.argument, self.top.as_ptr(), job.run) }
    }

    /// Runs `job` on the stack that has called this one, and returns when it has returned.
    ///
    /// # Safety
    ///
    /// The caller runs on this stack, under [`call`](Self::call). `job` may be run.
    #[inline(always)]
    pub(in crate::stack) unsafe fn call_below(&self, job: Job) -> Outcome {
        // SAFETY: within the stack.
        let anchor = unsafe { self.top.as_ptr().byte_sub(ANCHOR) }.cast::<*mut ()>();
        // SAFETY: written by the `call` that we are under.
        let left_at = unsafe { *anchor };
        // SAFETY: of that address, which is that of a return address, and so 8 off a multiple of 16; below it the stack is free.
        let below = unsafe { left_at.byte_sub(RETURN_ADDRESS) };
        // SAFETY: the top of what is free of a stack whose innermost function waits for our return; a multiple of 16.
        unsafe { call_on(job.argument, below, job.run) }
    }
}
