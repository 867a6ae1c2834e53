//! A C library that calls back from threads of its own for real: POSIX timers with `SIGEV_THREAD`.

use cede::Registered;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::ptr::null_mut;
use tokio::sync::mpsc;

/// As `<signal.h>` has it for `SIGEV_THREAD`, which the `libc` crate does not show.
#[repr(C)]
struct SigEvent {
    value: *mut c_void,
    signal: c_int,
    notify: c_int,
    function: extern "C" fn(*mut c_void),
    attributes: *mut c_void,
    padding: [usize; 4],
}

const _: () = assert!(size_of::<SigEvent>() == size_of::<libc::sigevent>());

#[test]
fn a_timer_calls_back_until_it_is_deleted() {
    let _watchdog = Watchdog::new("timer");
    workers(1).block_on(async {
        let (send, mut ticks) = mpsc::channel(1);
        let registered = Registered::new((), move || {
            let send = send.clone();
            async move { send.send(()).await.unwrap_or(()) }
        });
        let mut event = SigEvent {
            value: registered.data(),
            signal: 0,
            notify: libc::SIGEV_THREAD,
            function: registered.data_first(),
            attributes: null_mut(),
            padding: [0; 4],
        };
        let mut timer = null_mut();
        // SAFETY: the event is laid out as C has it, and outlives the call.
        let made = unsafe {
            libc::timer_create(
                libc::CLOCK_MONOTONIC,
                (&raw mut event).cast(),
                &raw mut timer,
            )
        };
        assert_eq!(made, 0);
        // SAFETY: all zeros is a value of it.
        let mut every: libc::itimerspec = unsafe { zeroed() };
        every.it_value.tv_nsec = 1_000_000;
        every.it_interval.tv_nsec = 1_000_000;
        // SAFETY: the timer is there, and so is the setting.
        let set = unsafe { libc::timer_settime(timer, 0, &every, null_mut()) };
        assert_eq!(set, 0);
        for _ in 0..20 {
            ticks.recv().await.unwrap();
        }
        // SAFETY: the timer is there, and not used afterwards.
        assert_eq!(unsafe { libc::timer_delete(timer) }, 0);
        // glibc says nothing about when its last thread is through. It does not matter: a late one is refused.
        drop(ticks);
        registered.close().await;
    });
}
