//! Calls leave the thread's signal settings alone, and so do callbacks: its mask, its alternate stack.

use cede_integration_tests::{on_current_thread, on_worker, under_c};
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::thread;

fn alternate_stack() -> libc::stack_t {
    let mut now = MaybeUninit::uninit();
    // SAFETY: writes the thread's, and changes nothing.
    assert_eq!(unsafe { libc::sigaltstack(null(), now.as_mut_ptr()) }, 0);
    // SAFETY: written by the call above.
    unsafe { now.assume_init() }
}

fn blocked() -> Vec<c_int> {
    let mut mask = MaybeUninit::uninit();
    // SAFETY: writes the thread's, and changes nothing.
    let status = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, null(), mask.as_mut_ptr()) };
    assert_eq!(status, 0);
    // SAFETY: written by the call above.
    let mask = unsafe { mask.assume_init() };
    // SAFETY: asks a mask that is one, for signals that there are.
    let holds = |signal: &c_int| unsafe { libc::sigismember(&raw const mask, *signal) } == 1;
    (1..=libc::SIGRTMAX()).filter(holds).collect()
}

fn set_blocked(how: c_int, signal: c_int) {
    let mut mask = MaybeUninit::uninit();
    // SAFETY: makes it an empty set.
    assert_eq!(unsafe { libc::sigemptyset(mask.as_mut_ptr()) }, 0);
    // SAFETY: a set by the line above, and a signal that there is.
    assert_eq!(unsafe { libc::sigaddset(mask.as_mut_ptr(), signal) }, 0);
    // SAFETY: reads the set.
    let status = unsafe { libc::pthread_sigmask(how, mask.as_ptr(), null_mut()) };
    assert_eq!(status, 0);
}

async fn keeps_settings(signal: c_int) {
    let before = (blocked(), alternate_stack().ss_sp);
    let asks = || under_c(|| cede::callback(tokio::task::yield_now()));
    cede::call(asks).suspendable().await.unwrap();
    cede::call(|| under_c(|| cede::callback(async {})))
        .await
        .unwrap();
    assert_eq!((blocked(), alternate_stack().ss_sp), before);

    // What C blocks is blocked for its thread: in callbacks, in what they call, and afterwards.
    let in_callback = cede::call(|| {
        set_blocked(libc::SIG_BLOCK, signal);
        under_c(|| cede::callback(async { (blocked(), cede::call(blocked).await) }))
    });
    let (in_callback, in_inner) = in_callback.await.unwrap();
    assert!(in_callback.contains(&signal) && in_inner.contains(&signal));
    assert!(blocked().contains(&signal));
    set_blocked(libc::SIG_UNBLOCK, signal);
    assert_eq!(blocked(), before.0);
}

#[test]
fn a_call_keeps_the_threads_mask_and_alternate_stack() {
    let signal = libc::SIGRTMIN() + 7;
    on_current_thread(async { cede::call(|| ()).await });
    on_current_thread(keeps_settings(signal));
    thread::spawn(move || {
        futures::executor::block_on(async {
            cede::call(|| ()).await;
        });
        on_current_thread(keeps_settings(signal));
    })
    .join()
    .unwrap();
}

/// A thread that has an alternate stack of its own when it makes its first call keeps that one.
#[test]
fn a_threads_own_alternate_stack_stays() {
    thread::spawn(|| {
        let mut memory = vec![0_u8; 256 << 10];
        let own = libc::stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: memory.len(),
        };
        let mut before = MaybeUninit::uninit();
        // SAFETY: the memory outlives its use, which ends below.
        let status = unsafe { libc::sigaltstack(&raw const own, before.as_mut_ptr()) };
        assert_eq!(status, 0);
        futures::executor::block_on(cede::call(|| {
            under_c(|| cede::callback(async {})).unwrap();
            assert_eq!(alternate_stack().ss_sp, own.ss_sp);
        }));
        assert_eq!(alternate_stack().ss_sp, own.ss_sp);
        // SAFETY: what was there before, as the kernel has told it.
        let status = unsafe { libc::sigaltstack(before.as_ptr(), null_mut()) };
        assert_eq!(status, 0);
    })
    .join()
    .unwrap();
}

/// A brief call cedes nothing until its callback waits: the thread that then takes over is started in the midst of C.
#[test]
fn a_thread_that_takes_over_does_not_block_what_c_blocks() {
    let signal = libc::SIGRTMIN() + 8;
    let blocked_by_others = on_worker(1, async move {
        let (ask, asked) = tokio::sync::oneshot::channel();
        let other = tokio::spawn(async move {
            let here = blocked();
            let _ = ask.send(());
            here
        });
        let call = cede::call(|| {
            set_blocked(libc::SIG_BLOCK, signal);
            let waited = under_c(|| cede::callback(asked));
            set_blocked(libc::SIG_UNBLOCK, signal);
            waited
        });
        call.brief().await.unwrap().unwrap();
        other.await.unwrap()
    });
    assert!(!blocked_by_others.contains(&signal));
}
