//! A segmentation fault that is no overflow of a C stack goes its way as if we were not there. Each test dies in a process
//! of its own.

use cede_fixtures::deep::poke;
use cede_integration_tests::{child, child_task, on_worker, under_c};
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

/// Nothing is mapped there, nor next to it.
const NOWHERE: usize = 0x10;

fn faults() {
    // SAFETY: nothing is mapped there, and the process is meant to die.
    unsafe { poke(NOWHERE) };
}

fn dies_without_a_word(test: &str) -> Output {
    let output = child(test, "fault");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!message.contains("cede: "), "{message}");
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{message}");
    output
}

#[test]
fn in_c() {
    if child_task().is_some() {
        on_worker(1, cede::call(faults));
    }
    dies_without_a_word("in_c");
}

#[test]
fn in_a_callback() {
    if child_task().is_some() {
        let asks = || under_c(|| cede::callback(async { faults() }));
        on_worker(1, cede::call(asks)).unwrap();
    }
    dies_without_a_word("in_a_callback");
}

#[test]
fn outside_of_any_call() {
    if child_task().is_some() {
        on_worker(1, cede::call(|| ()));
        faults();
    }
    dies_without_a_word("outside_of_any_call");
}

#[test]
fn that_is_sent_by_somebody() {
    if child_task().is_some() {
        on_worker(1, cede::call(|| ()));
        loop {
            // SAFETY: raises a signal in this process, which is meant to die of it. Rust's own handler, which was there
            // first, takes the default action from the second one on.
            unsafe { libc::raise(libc::SIGSEGV) };
        }
    }
    dies_without_a_word("that_is_sent_by_somebody");
}

/// Exit codes of the handlers below.
const HANDLED: i32 = 77;
const HANDLED_WITH_ADDRESS: i32 = 78;

extern "C" fn simple(_: libc::c_int) {
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(HANDLED) }
}

extern "C" fn with_address(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's information on the fault, passed on.
    let info = unsafe { &*info };
    // SAFETY: a fault has an address.
    let address = unsafe { info.si_addr() }.addr();
    let code = if address == NOWHERE && !context.is_null() {
        HANDLED_WITH_ADDRESS
    } else {
        1
    };
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(code) }
}

/// Makes this the process's handler, before the first call.
fn install(handler: usize, flags: libc::c_int) {
    // SAFETY: all zeroes is a valid sigaction: the default action, no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: reads the action, which is one.
    let status = unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()) };
    assert_eq!(status, 0);
}

#[test]
fn reaches_the_handler_that_was_there_before() {
    if child_task().is_some() {
        install(simple as *const () as usize, libc::SA_ONSTACK);
        on_worker(1, cede::call(faults));
    }
    let output = child("reaches_the_handler_that_was_there_before", "fault");
    assert_eq!(output.status.code(), Some(HANDLED), "{output:?}");
}

#[test]
fn reaches_a_handler_with_all_the_kernel_told() {
    if child_task().is_some() {
        install(
            with_address as *const () as usize,
            libc::SA_ONSTACK | libc::SA_SIGINFO,
        );
        on_worker(1, cede::call(faults));
    }
    let output = child("reaches_a_handler_with_all_the_kernel_told", "fault");
    assert_eq!(
        output.status.code(),
        Some(HANDLED_WITH_ADDRESS),
        "{output:?}"
    );
}

/// An overflow is ours to report, whoever handles the rest.
#[test]
fn unless_it_is_an_overflow() {
    if child_task().is_some() {
        install(simple as *const () as usize, libc::SA_ONSTACK);
        on_worker(1, async {
            // SAFETY: a C stack ends in a guard page.
            cede::call(|| unsafe { cede_fixtures::deep::recurse_forever() })
                .named("sinks_deep")
                .await;
        });
    }
    let output = child("unless_it_is_an_overflow", "overflow");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{message}");
    assert!(message.contains("sinks_deep"), "{message}");
}

#[test]
fn that_is_ignored_stays_ignored() {
    if child_task().is_some() {
        install(libc::SIG_IGN, 0);
        on_worker(1, cede::call(|| ()));
        for _ in 0..3 {
            // SAFETY: raises a signal in this process, which ignores it if it is sent rather than met.
            unsafe { libc::raise(libc::SIGSEGV) };
        }
        std::process::exit(HANDLED);
    }
    let output = child("that_is_ignored_stays_ignored", "fault");
    assert_eq!(output.status.code(), Some(HANDLED), "{output:?}");
}

#[test]
fn that_is_sent_takes_the_default_action_if_that_was_there_before() {
    if child_task().is_some() {
        install(libc::SIG_DFL, 0);
        on_worker(1, cede::call(|| ()));
        // SAFETY: raises a signal in this process, which is meant to die of it.
        unsafe { libc::raise(libc::SIGSEGV) };
        std::process::exit(HANDLED);
    }
    dies_without_a_word("that_is_sent_takes_the_default_action_if_that_was_there_before");
}
