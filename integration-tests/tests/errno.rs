//! C's errno reaches the caller, and C never sees another than its own, whatever happened in between.

use cede_fixtures::errno::{across, fail_across, fail_int, fail_ptr, succeed};
use cede_fixtures::{Gate, bridge};
use cede_integration_tests::{PATIENCE, on_current_thread, on_worker, workers};
use std::ffi::c_int;
use std::time::Instant;
use tokio::sync::oneshot;

fn set_errno(value: c_int) {
    // SAFETY: takes nothing, and is always there.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: this thread's own.
    unsafe { *errno = value };
}

fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

async fn results() {
    let (returned, errno) = cede::call(|| fail_int(libc::EAGAIN)).with_errno().await;
    assert_eq!(
        (returned, errno.raw(), errno.is_ok()),
        (-1, libc::EAGAIN, false)
    );
    let (returned, errno) = cede::call(|| succeed(libc::ERANGE, 5)).with_errno().await;
    assert_eq!((returned, errno.raw()), (5, libc::ERANGE));
    set_errno(libc::EIO);
    let (returned, errno) = cede::call(|| 5).with_errno().await;
    assert_eq!(
        (returned, errno.raw(), errno.is_ok()),
        (5, 0, true),
        "as cgo: errno is zero before C runs"
    );

    let error = cede::call(|| fail_int(libc::EPIPE))
        .or_errno()
        .await
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
    let error = cede::call(|| fail_ptr(libc::ENOMEM))
        .or_errno()
        .await
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOMEM));
    assert_eq!(
        cede::call(|| succeed(libc::ERANGE, 5))
            .or_errno()
            .await
            .unwrap(),
        5
    );
    let mut place = 0_u8;
    let place = &raw mut place;
    assert_eq!(
        cede::call(|| place).or_errno().await.unwrap().as_ptr(),
        place
    );
    assert_eq!(cede::call(|| 7_usize).or_errno().await.unwrap(), 7);
    let error = cede::call(|| {
        set_errno(libc::EILSEQ);
        usize::MAX
    });
    assert_eq!(
        error.or_errno().await.unwrap_err().raw_os_error(),
        Some(libc::EILSEQ)
    );
}

#[test]
fn is_part_of_the_result() {
    futures::executor::block_on(results());
    workers(1).block_on(results());
    on_current_thread(results());
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Plain,
    Long,
    Brief,
    OnThreadStack,
    Suspendable,
}

const MODES: [Mode; 5] = [
    Mode::Plain,
    Mode::Long,
    Mode::Brief,
    Mode::OnThreadStack,
    Mode::Suspendable,
];

async fn in_mode<R: 'static>(mode: Mode, f: impl FnOnce() -> R + 'static) -> R {
    let call = cede::call(f);
    match mode {
        Mode::Plain => call.await,
        Mode::Long => call.long().await,
        Mode::Brief => call.brief().await,
        Mode::OnThreadStack => call.on_thread_stack().await,
        Mode::Suspendable => call.suspendable().await,
    }
}

/// What C sees of its errno after a callback that waits and meddles with errno at every turn.
fn meddled(value: c_int) -> c_int {
    let mut f = |arg: c_int| {
        set_errno(libc::EDOM);
        let answer = cede::callback(async {
            set_errno(libc::EACCES);
            tokio::task::yield_now().await;
            set_errno(libc::EBADF);
            cede::call(|| set_errno(libc::ECHILD)).await;
            set_errno(libc::EBUSY);
        });
        answer.unwrap();
        assert_eq!(errno(), libc::EDOM, "Rust under C keeps its errno too");
        set_errno(arg);
        0
    };
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call.
    unsafe { across(cb, ud, value) }
}

/// As above, without a trace of errno in Rust under C: what C gets back is what `callback` kept.
fn meddled_in_the_future_only(value: c_int) -> c_int {
    let mut f = |_: c_int| {
        let answer = cede::callback(async {
            set_errno(libc::EACCES);
            tokio::task::yield_now().await;
            set_errno(libc::EBADF);
        });
        i32::from(answer.is_err())
    };
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call.
    unsafe { across(cb, ud, value) }
}

#[test]
fn is_kept_across_callbacks_that_park() {
    for mode in MODES {
        workers(1).block_on(async {
            assert_eq!(
                in_mode(mode, || meddled_in_the_future_only(libc::ELOOP)).await,
                libc::ELOOP,
                "{mode:?}"
            );
            assert_eq!(
                in_mode(mode, || meddled(libc::ELOOP)).await,
                libc::ELOOP,
                "{mode:?}"
            );
        });
    }
    on_worker(1, async {
        for _ in 0..20 {
            assert_eq!(
                cede::call(|| meddled_in_the_future_only(libc::ELOOP)).await,
                libc::ELOOP
            );
            assert_eq!(
                cede::call(|| meddled_in_the_future_only(libc::ELOOP))
                    .brief()
                    .await,
                libc::ELOOP
            );
            assert_eq!(
                cede::scope(cede::call(|| meddled_in_the_future_only(libc::ELOOP))).await,
                libc::ELOOP
            );
        }
    });
}

#[test]
fn is_kept_across_callbacks_that_are_refused() {
    let refused = || {
        let mut f = |_: c_int| {
            let meddling_when_dropped = cede::callback(async {
                let _meddles = Meddles;
                std::future::pending::<()>().await;
            });
            assert_eq!(meddling_when_dropped, Err(cede::Refused::WouldStarve));
            0
        };
        let (cb, ud) = bridge(&mut f);
        // SAFETY: `f` outlives the call.
        unsafe { across(cb, ud, libc::ELOOP) }
    };
    assert_eq!(on_current_thread(cede::call(refused)), libc::ELOOP);
}

struct Meddles;

impl Drop for Meddles {
    fn drop(&mut self) {
        set_errno(libc::ENOSYS);
    }
}

#[test]
fn is_kept_across_suspension() {
    on_current_thread(async {
        let tasks: Vec<_> = (1..20)
            .map(|value| {
                tokio::spawn(async move {
                    for _ in 0..5 {
                        assert_eq!(
                            cede::call(move || meddled(value)).suspendable().await,
                            value
                        );
                        let kept = cede::call(move || meddled_in_the_future_only(value))
                            .suspendable()
                            .await;
                        assert_eq!(kept, value);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// C has set errno and called back; the callback suspends; another call on the same thread fails in another way; then C
/// returns without touching errno again.
#[test]
fn of_suspended_calls_is_told_apart() {
    on_current_thread(async {
        let (tell, told) = oneshot::channel();
        let suspended = cede::call(|| {
            let mut told = Some(told);
            let mut f = |_: c_int| {
                let told = told.take().unwrap();
                i32::from(cede::callback(async { told.await.unwrap() }).is_err())
            };
            let (cb, ud) = bridge(&mut f);
            // SAFETY: `f` outlives the call.
            unsafe { fail_across(cb, ud, libc::EXDEV) }
        })
        .suspendable()
        .or_errno();
        let other = async {
            let error = cede::call(|| fail_int(libc::EFBIG))
                .or_errno()
                .await
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
            tell.send(()).unwrap();
        };
        let (error, ()) = tokio::join!(suspended, other);
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EXDEV));
    });
}

/// C sets errno, then blocks until it is sure that the slot was taken: the task it lets in is one that only this worker
/// could run.
#[test]
fn is_kept_across_a_retake() {
    let gate = std::sync::Arc::new(Gate::new());
    let opener = gate.clone();
    let before = cede::metrics();
    on_worker(1, async move {
        tokio::spawn(async move { opener.open() });
        let (taken, errno) = cede::call(|| {
            let failed = fail_int(libc::ENOTTY);
            assert_eq!(failed, -1);
            let taken = gate.wait_for(PATIENCE);
            set_errno(libc::ENOTTY);
            taken
        })
        .with_errno()
        .await;
        assert!(taken);
        assert_eq!(errno.raw(), libc::ENOTTY);
    });
    let after = cede::metrics();
    assert!(after.retakes + after.hand_offs > before.retakes + before.hand_offs);
}

/// As above, with C's own errno all the way: it fails, sleeps, and is asked only then.
#[test]
fn of_c_that_was_retaken_while_it_slept() {
    on_worker(1, async {
        let began = Instant::now();
        loop {
            let before = cede::metrics();
            let error = cede::call(|| cede_fixtures::errno::fail_slow(libc::ENODEV, 5000))
                .or_errno()
                .await;
            assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ENODEV));
            let after = cede::metrics();
            if after.retakes + after.hand_offs > before.retakes + before.hand_offs {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "no call was retaken");
        }
    });
}
