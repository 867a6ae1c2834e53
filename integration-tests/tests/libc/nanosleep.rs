//! `nanosleep`: C sleeps, and the worker does not.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::ffi::c_int;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

const HOUR: i64 = 3600;

/// A handler that does nothing, so that the signal only ends what its thread waits in.
fn interrupt_with(signal: c_int) {
    extern "C" fn nothing(_: c_int) {}
    let handler: extern "C" fn(c_int) = nothing;
    // SAFETY: all zeroes is a `sigaction` without flags and with an empty mask.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = handler as usize;
    // SAFETY: the handler does nothing, which may be done at any time.
    assert_eq!(unsafe { libc::sigaction(signal, &action, null_mut()) }, 0);
}

#[test]
fn an_hour_of_sleep_is_cut_short_by_a_task_of_the_same_worker() {
    let _watchdog = Watchdog::new("nanosleep");
    interrupt_with(libc::SIGUSR1);
    on_worker(1, async {
        let (tell, told) = oneshot::channel();
        let awake = Arc::new(AtomicBool::new(false));
        let alarm = tokio::spawn({
            let awake = awake.clone();
            async move {
                let sleeper = told.await.unwrap();
                // A signal that comes before C sleeps is lost.
                while !awake.load(Ordering::SeqCst) {
                    // SAFETY: the runtime's threads outlive its tasks.
                    assert_eq!(unsafe { libc::pthread_kill(sleeper, libc::SIGUSR1) }, 0);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        let mut time = libc::timespec {
            tv_sec: HOUR,
            tv_nsec: 0,
        };
        let (slept, errno) = cede::call(|| {
            // SAFETY: takes nothing.
            tell.send(unsafe { libc::pthread_self() }).unwrap();
            let time = &raw mut time;
            // SAFETY: the time is there, and may be both what is asked for and what is left.
            let slept = unsafe { libc::nanosleep(time, time) };
            awake.store(true, Ordering::SeqCst);
            slept
        })
        .named("nanosleep")
        .with_errno()
        .await;
        assert_eq!(slept, -1);
        assert_eq!(errno.raw(), libc::EINTR);
        let left = time.tv_sec;
        assert!((1..HOUR).contains(&left), "{left} s are left");
        alarm.await.unwrap();
    });
}
