//! A stack trace that is taken by a signal handler, as profilers and crash reporters take them, reaches the task that called C
//! from every instruction of the crate's: also from those that switch stacks.
//!
//! The processor stops after each instruction, with a signal; its handler takes the trace. Calls that may be suspended are not
//! looked at, nor are C stacks elsewhere than on x86_64: there the switch is corosensei's, and a trace from its midst is lost.
#![cfg(all(target_arch = "x86_64", target_env = "gnu", not(cede_portable)))]

use cede_fixtures::trace::return_addresses;
use cede_integration_tests::{child, child_task, under_c};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};
use std::future::Future;
use std::pin::pin;
use std::ptr::null_mut;
use std::task::{Context, Waker};

/// Sets the trap flag: from here on each instruction raises SIGTRAP.
#[inline(always)]
fn start_stepping() {
    // SAFETY: the trap flag, bit 8, has no effect but the signal, which is handled.
    unsafe { std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
}

#[inline(always)]
fn stop_stepping() {
    // SAFETY: as above.
    unsafe { std::arch::asm!("pushfq", "and qword ptr [rsp], ~0x100", "popfq") };
}

/// Traces are no longer than this.
const CAPACITY: usize = 256;

thread_local! {
    /// The outermost frames, which every trace must end with.
    static CALLERS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// Whether the handler is to look: not at the instructions of this file that move the flags by way of the stack.
    static LOOKS: Cell<bool> = const { Cell::new(false) };
    static STEPS: Cell<usize> = const { Cell::new(0) };
    /// Instructions whose traces did not. The first few: a handler must not allocate.
    static LOST: RefCell<Lost> = const { RefCell::new(Lost { addresses: [0; 512], count: 0 }) };
}

struct Lost {
    addresses: [usize; 512],
    count: usize,
}

extern "C" fn on_step(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    if !LOOKS.get() {
        return;
    }
    let mut frames = [0; CAPACITY];
    let trace = return_addresses(&mut frames).expect("glibc has it");
    let complete = CALLERS.with_borrow(|callers| trace.ends_with(callers));
    STEPS.set(STEPS.get() + 1);
    if !complete {
        // SAFETY: the kernel passes where the thread was interrupted.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        let at = context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
        if is_linkers(at) {
            return;
        }
        LOST.with_borrow_mut(|lost| {
            if let Some(place) = lost.addresses.get_mut(lost.count) {
                *place = at;
                lost.count += 1;
            }
        });
    }
}

/// Whether this is a jump through a table, as the linker makes them for calls into other libraries: some linkers leave their
/// unwind information out.
fn is_linkers(at: usize) -> bool {
    let instruction = std::ptr::with_exposed_provenance::<[u8; 2]>(at);
    // SAFETY: the thread is about to run what is there.
    unsafe { *instruction == [0xff, 0x25] }
}

fn install() {
    // SAFETY: all zeroes is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_step as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: reads the action, whose handler does nothing a handler may not do.
    let status = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, null_mut()) };
    assert_eq!(status, 0);
}

/// Runs `f` step by step. The instructions from which no trace reached the caller of this function.
#[inline(never)]
fn stepped<R>(f: impl FnOnce() -> R) -> (R, usize, Vec<usize>) {
    let mut frames = [0; CAPACITY];
    let here = return_addresses(&mut frames).expect("glibc has it");
    // The innermost are of the tracing function and of this one.
    CALLERS.set(here[3..].to_vec());
    STEPS.set(0);
    LOST.with_borrow_mut(|lost| lost.count = 0);
    start_stepping();
    LOOKS.set(true);
    let result = f();
    LOOKS.set(false);
    stop_stepping();
    let lost = LOST.with_borrow(|lost| {
        let distinct: BTreeSet<_> = lost.addresses[..lost.count].iter().copied().collect();
        distinct.into_iter().collect()
    });
    (result, STEPS.get(), lost)
}

/// Addresses as `addr2line` takes them.
fn in_this_program(addresses: &[usize]) -> Vec<String> {
    addresses
        .iter()
        .map(|&address| {
            // SAFETY: all zeroes is only storage here.
            let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
            // SAFETY: writes what it finds.
            unsafe { libc::dladdr(address as *const c_void, &raw mut info) };
            format!("{:#x}", address - info.dli_fbase.addr())
        })
        .collect()
}

/// One poll of a call, step by step, after it has been made a few times at full speed: what is set up once is not looked at.
fn every_instruction<F: Future>(make: impl Fn() -> F) -> usize {
    install();
    let poll = |future: std::pin::Pin<&mut F>| future.poll(&mut Context::from_waker(Waker::noop()));
    for _ in 0..3 {
        let mut call = pin!(make());
        while poll(call.as_mut()).is_pending() {}
    }
    let mut call = pin!(make());
    let mut all = 0;
    loop {
        let (polled, steps, lost) = stepped(|| poll(call.as_mut()));
        all += steps;
        assert!(
            lost.is_empty(),
            "of {steps} steps these have no trace: {:?}",
            in_this_program(&lost)
        );
        if polled.is_ready() {
            return all;
        }
    }
}

/// In a process of its own, for an unwinder that is misled may read where nothing is.
fn in_a_child<F: Future>(test: &str, make: impl Fn() -> F) {
    if child_task().is_some() {
        let steps = every_instruction(make);
        assert!(steps > 100, "{steps}");
        println!("all of {steps} steps");
        return;
    }
    let output = child(test, "step");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {message}", output.status);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("all of "), "{told}");
}

#[test]
fn of_a_plain_call() {
    in_a_child("of_a_plain_call", || {
        cede::call(|| cede_fixtures::plain::empty(1))
    });
}

#[test]
fn of_a_callback() {
    in_a_child("of_a_callback", || {
        cede::call(|| under_c(|| cede::callback(async { 1 })))
    });
}

#[test]
fn of_a_call_in_a_callback() {
    in_a_child("of_a_call_in_a_callback", || {
        cede::call(|| {
            under_c(|| cede::callback(cede::call(|| under_c(|| cede::callback(async { 1 })))))
        })
    });
}

/// Nothing is switched here: this is what the others are measured by.
#[test]
fn on_the_threads_own_stack() {
    in_a_child("on_the_threads_own_stack", || {
        cede::call(|| under_c(|| cede::callback(async { 1 }))).on_thread_stack()
    });
}
