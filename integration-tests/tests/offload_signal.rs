//! `Cancel::Signal` ends a system call of the cancelled call, and touches nothing else.
//!
//! Every test is a process of its own: signals are the process's.

use cede::{Cancel, Config, Lane, offload};
use cede_fixtures::time::spin_us;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, child, child_task, on_worker};
use std::ffi::c_int;
use std::io::{self, Read};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::{null, null_mut};
use std::time::Duration;
use tokio::sync::oneshot;

/// Runs `body` in a process of its own.
fn alone(test: &str, body: fn()) {
    if child_task().is_some() {
        let _watchdog = Watchdog::new("a signalled call");
        return body();
    }
    let output = child(test, "run");
    assert!(output.status.success(), "{output:?}");
}

/// One `read` in C, which waits for ever.
fn read(socket: &UnixStream) -> io::Result<isize> {
    let mut byte = 0_u8;
    // SAFETY: there is room for the byte.
    match unsafe { libc::read(socket.as_raw_fd(), (&raw mut byte).cast(), 1) } {
        -1 => Err(io::Error::last_os_error()),
        n => Ok(n),
    }
}

extern "C" fn theirs(_: c_int) {}

/// The handler that a signal has.
fn handler(signal: c_int) -> libc::sighandler_t {
    // SAFETY: all zeroes are a valid action.
    let mut action: libc::sigaction = unsafe { zeroed() };
    // SAFETY: there is room for the action.
    assert_eq!(unsafe { libc::sigaction(signal, null(), &mut action) }, 0);
    action.sa_sigaction
}

fn install_theirs(signal: c_int) {
    // SAFETY: all zeroes are a valid action.
    let mut action: libc::sigaction = unsafe { zeroed() };
    action.sa_sigaction = theirs as extern "C" fn(c_int) as libc::sighandler_t;
    // SAFETY: the handler does nothing.
    assert_eq!(unsafe { libc::sigaction(signal, &action, null_mut()) }, 0);
}

fn real_time() -> Vec<c_int> {
    (libc::SIGRTMIN()..=libc::SIGRTMAX()).collect()
}

/// What a read that is cancelled ends with.
fn cancelled_read() -> io::Error {
    on_worker(1, async {
        let (reader, _writer) = UnixStream::pair().unwrap();
        let (in_c, is_in_c) = oneshot::channel();
        let work = move || {
            in_c.send(()).unwrap();
            read(&reader)
        };
        let (canceller, mut call) = offload(work).on_cancel(Cancel::Signal).cancellable();
        call.try_start().unwrap();
        is_in_c.await.unwrap();
        canceller.cancel();
        call.await.unwrap().unwrap_err()
    })
}

#[test]
fn a_read_that_waits_ends() {
    alone("a_read_that_waits_ends", || {
        assert_eq!(cancelled_read().kind(), io::ErrorKind::Interrupted);
    });
}

#[test]
fn it_is_sent_again_until_c_returns() {
    alone("it_is_sent_again_until_c_returns", || {
        on_worker(1, async {
            let (reader, _writer) = UnixStream::pair().unwrap();
            let (in_c, is_in_c) = oneshot::channel();
            let call = offload(move || {
                in_c.send(()).unwrap();
                // The first ones find C elsewhere, or C tries again.
                for _ in 0..3 {
                    assert_eq!(
                        read(&reader).unwrap_err().kind(),
                        io::ErrorKind::Interrupted
                    );
                }
            })
            .on_cancel(Cancel::Signal);
            tokio::select! {
                () = call => panic!("nobody writes"),
                begun = is_in_c => begun.unwrap(),
            }
            cede::drain(PATIENCE).await.unwrap();
        });
    });
}

#[test]
fn it_reaches_a_thread_that_blocks_signals() {
    alone("it_reaches_a_thread_that_blocks_signals", || {
        on_worker(1, async {
            let lane = Lane::builder("blocks").on_start(block_all).start().unwrap();
            let (reader, _writer) = UnixStream::pair().unwrap();
            let (in_c, is_in_c) = oneshot::channel();
            let call = offload(move || {
                in_c.send(()).unwrap();
                read(&reader)
            });
            tokio::select! {
                _ = call.on_lane(&lane).on_cancel(Cancel::Signal) => panic!("nobody writes"),
                begun = is_in_c => begun.unwrap(),
            }
            cede::drain(PATIENCE).await.unwrap();
            let blocked = offload(|| real_time().into_iter().all(is_blocked));
            assert!(blocked.on_lane(&lane).await, "the mask is as it was");
        });
    });
}

fn block_all() {
    // SAFETY: all zeroes are a valid set.
    let mut set: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: there is room for a set.
    unsafe { libc::sigfillset(&mut set) };
    // SAFETY: the set is valid.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, null_mut()) };
}

fn is_blocked(signal: c_int) -> bool {
    // SAFETY: all zeroes are a valid set.
    let mut set: libc::sigset_t = unsafe { zeroed() };
    // SAFETY: there is room for the mask.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, null(), &mut set) };
    // SAFETY: the set was written.
    unsafe { libc::sigismember(&set, signal) == 1 }
}

/// Calls that end about when they are cancelled; what the thread does next is not interrupted.
#[test]
fn what_the_thread_does_next_is_not_interrupted() {
    alone("what_the_thread_does_next_is_not_interrupted", || {
        on_worker(2, async {
            let lane = Lane::new("next").unwrap();
            for round in 0..3000 {
                let (in_c, is_in_c) = oneshot::channel();
                let call = offload(move || {
                    in_c.send(()).unwrap();
                    spin_us(round % 40);
                });
                tokio::select! {
                    biased;
                    begun = is_in_c => begun.unwrap(),
                    () = call.on_lane(&lane).on_cancel(Cancel::Signal) => {}
                }
                // The same thread.
                let slept = offload(|| {
                    let pause = libc::timespec {
                        tv_sec: 0,
                        tv_nsec: 50_000,
                    };
                    // SAFETY: there is nothing to be written.
                    unsafe { libc::nanosleep(&pause, null_mut()) }
                });
                assert_eq!(slept.on_lane(&lane).await, 0, "in round {round}");
            }
        });
    });
}

#[test]
fn handlers_of_the_process_are_left_alone() {
    alone("handlers_of_the_process_are_left_alone", || {
        let (free, taken) = real_time()
            .into_iter()
            .partition::<Vec<_>, _>(|n| n % 7 == 0);
        taken.iter().copied().for_each(install_theirs);
        let before: Vec<_> = taken.iter().copied().map(handler).collect();
        assert_eq!(cancelled_read().kind(), io::ErrorKind::Interrupted);
        let after: Vec<_> = taken.iter().copied().map(handler).collect();
        assert_eq!(before, after);
        let ours: Vec<_> = free
            .iter()
            .filter(|n| handler(**n) != libc::SIG_DFL)
            .collect();
        assert_eq!(ours, [free.last().unwrap()], "the highest that is free");
    });
}

#[test]
fn without_a_free_signal_the_call_is_abandoned() {
    alone("without_a_free_signal_the_call_is_abandoned", || {
        real_time().into_iter().for_each(install_theirs);
        on_worker(1, async {
            let (mut reader, writer) = UnixStream::pair().unwrap();
            let call = offload(move || reader.read(&mut [0])).on_cancel(Cancel::Signal);
            let limit = Duration::from_millis(20);
            assert!(tokio::time::timeout(limit, call).await.is_err());
            let left = cede::drain(limit).await.unwrap_err();
            assert!(left.calls()[0].is_abandoned());
            drop(writer);
            cede::drain(PATIENCE).await.unwrap();
        });
    });
}

#[test]
fn the_signal_may_be_chosen() {
    alone("the_signal_may_be_chosen", || {
        Config::new()
            .cancel_signal(libc::SIGUSR2)
            .install()
            .unwrap();
        assert_eq!(cancelled_read().kind(), io::ErrorKind::Interrupted);
        assert_ne!(handler(libc::SIGUSR2), libc::SIG_DFL);
        assert!(real_time().into_iter().all(|n| handler(n) == libc::SIG_DFL));
    });
}
