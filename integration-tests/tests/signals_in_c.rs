//! A signal that reaches a thread in C acts there as it does anywhere: its handler runs, on the C stack or on the alternate one,
//! and a system call is interrupted or goes on.

use cede_fixtures::deep::local_address;
use cede_fixtures::{bridge, callback, plain::empty};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_current_thread, on_worker, under_c};
use std::ffi::c_int;
use std::future::Future;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

/// What a handler has seen; each test has a signal of its own, and so one of these.
#[derive(Default)]
struct Seen {
    times: AtomicUsize,
    thread: AtomicUsize,
    local: AtomicUsize,
}

static SEEN: [Seen; 64] = [const {
    Seen {
        times: AtomicUsize::new(0),
        thread: AtomicUsize::new(0),
        local: AtomicUsize::new(0),
    }
}; 64];

impl Seen {
    fn of(signal: c_int) -> &'static Self {
        &SEEN[usize::try_from(signal).unwrap()]
    }

    fn times(&self) -> usize {
        self.times.load(Ordering::SeqCst)
    }
}

extern "C" fn on_signal(signal: c_int) {
    let seen = Seen::of(signal);
    seen.thread.store(this_thread() as usize, Ordering::SeqCst);
    seen.local.store(local_address(), Ordering::SeqCst);
    seen.times.fetch_add(1, Ordering::SeqCst);
}

fn this_thread() -> libc::pthread_t {
    // SAFETY: takes nothing.
    unsafe { libc::pthread_self() }
}

/// A signal that no other test uses, handled with these flags.
fn handled(number: c_int, flags: c_int) -> c_int {
    let signal = libc::SIGRTMIN() + number;
    // SAFETY: all zeroes is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as usize;
    action.sa_flags = flags;
    // SAFETY: reads the action; its handler does only what a handler may.
    let status = unsafe { libc::sigaction(signal, &raw const action, null_mut()) };
    assert_eq!(status, 0);
    signal
}

/// Sends the signal until `enough`.
fn keep_sending(to: libc::pthread_t, signal: c_int, mut enough: impl FnMut() -> bool) {
    while !enough() {
        // SAFETY: the callers keep the thread alive until this is through.
        let sent = unsafe { libc::pthread_kill(to, signal) };
        assert_eq!(sent, 0);
        thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn pipe() -> (c_int, c_int) {
    let mut ends = [0; 2];
    // SAFETY: writes two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    (ends[0], ends[1])
}

fn read_byte(from: c_int) -> isize {
    let mut byte = 0_u8;
    // SAFETY: reads at most one byte, to where there is room for it.
    unsafe { libc::read(from, (&raw mut byte).cast(), 1) }
}

/// Sends `signal` to the thread that `call` is made on, once `reports` has said which, until the call has returned.
async fn interrupted<R>(
    signal: c_int,
    make: impl FnOnce(std::sync::mpsc::Sender<libc::pthread_t>) -> R,
) -> R::Output
where
    R: Future,
{
    let (report, reports) = channel::<libc::pthread_t>();
    let (over, is_over) = channel::<()>();
    let sender = thread::spawn(move || {
        let to = reports.recv().unwrap();
        keep_sending(to, signal, || is_over.try_recv().is_ok());
    });
    let output = make(report).await;
    over.send(()).unwrap();
    sender.join().unwrap();
    output
}

/// Without SA_RESTART a system call ends early, and the caller is told why.
async fn interrupts(signal: c_int) {
    let _watchdog = Watchdog::new("a read that nothing but a signal ends");
    let (from, to) = pipe();
    let error = interrupted(signal, |report| {
        cede::call(move || {
            report.send(this_thread()).unwrap();
            read_byte(from)
        })
        .or_errno()
    });
    assert_eq!(error.await.unwrap_err().raw_os_error(), Some(libc::EINTR));
    let (returned, errno) = interrupted(signal, |report| {
        cede::call(move || {
            report.send(this_thread()).unwrap();
            read_byte(from)
        })
        .suspendable()
        .with_errno()
    })
    .await;
    assert_eq!((returned, errno.raw()), (-1, libc::EINTR));
    close(from);
    close(to);
}

fn close(descriptor: c_int) {
    // SAFETY: opened by the caller, and closed once.
    assert_eq!(unsafe { libc::close(descriptor) }, 0);
}

#[test]
fn a_system_call_is_interrupted() {
    let signal = handled(0, 0);
    on_current_thread(interrupts(signal));
    futures::executor::block_on(interrupts(signal));
}

/// On a worker whose slot was retaken, the signal finds the thread that C is on.
#[test]
fn a_system_call_of_a_retaken_worker_is_interrupted() {
    let _watchdog = Watchdog::new("a read that nothing but a signal ends");
    let signal = handled(1, 0);
    let (from, to) = pipe();
    on_worker(1, async move {
        let (report, reports) = channel();
        let (over, is_over) = channel::<()>();
        let sender = tokio::spawn(async move {
            // Runs only if the one worker's slot was taken from C.
            let thread = reports.recv().unwrap();
            thread::spawn(move || keep_sending(thread, signal, || is_over.try_recv().is_ok()))
        });
        let error = cede::call(move || {
            report.send(this_thread()).unwrap();
            let returned = read_byte(from);
            let errno = std::io::Error::last_os_error();
            over.send(()).unwrap();
            (returned, errno.raw_os_error())
        });
        assert_eq!(error.await, (-1, Some(libc::EINTR)));
        sender.await.unwrap().join().unwrap();
    });
    close(from);
    close(to);
}

/// With SA_RESTART it goes on after the handler, and has its result.
#[test]
fn a_system_call_is_restarted() {
    let _watchdog = Watchdog::new("a read that is restarted");
    let signal = handled(2, libc::SA_RESTART);
    let (from, to) = pipe();
    let (report, reports) = channel();
    let writer = thread::spawn(move || {
        let thread = reports.recv().unwrap();
        let seen = Seen::of(signal);
        keep_sending(thread, signal, || seen.times() >= 5);
        // SAFETY: one byte, which is there.
        assert_eq!(unsafe { libc::write(to, c"x".as_ptr().cast(), 1) }, 1);
    });
    let read = futures::executor::block_on(
        cede::call(move || {
            report.send(this_thread()).unwrap();
            read_byte(from)
        })
        .or_errno(),
    );
    assert_eq!(read.unwrap(), 1);
    writer.join().unwrap();
    close(from);
    close(to);
}

fn raise(signal: c_int) {
    // SAFETY: the signal is handled.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

/// How far apart locals of one stack are here, at most: much less than a C stack is large.
const NEAR: usize = 64 << 10;

#[test]
fn a_handler_runs_on_the_c_stack() {
    let signal = handled(3, 0);
    on_worker(1, async move {
        let in_c = cede::call(|| {
            raise(signal);
            local_address()
        })
        .await;
        let seen = Seen::of(signal);
        let local = seen.local.load(Ordering::SeqCst);
        assert!(local.abs_diff(in_c) < NEAR, "{local:#x} and {in_c:#x}");
        assert!(local.abs_diff(local_address()) > NEAR);
        assert_eq!(
            seen.thread.load(Ordering::SeqCst),
            this_thread() as usize,
            "the thread that raised it"
        );
    });
}

/// In a callback it runs where the callback runs: on the task's stack.
#[test]
fn a_handler_in_a_callback_runs_on_the_tasks_stack() {
    let signal = handled(4, 0);
    on_worker(1, async move {
        let call = cede::call(|| under_c(|| cede::callback(async { raise(signal) })));
        assert_eq!(call.await, Ok(()));
        let local = Seen::of(signal).local.load(Ordering::SeqCst);
        assert!(local.abs_diff(local_address()) < NEAR);
    });
}

#[test]
fn a_handler_that_asks_for_it_runs_on_the_alternate_stack() {
    let signal = handled(5, libc::SA_ONSTACK);
    on_worker(1, async move {
        let in_c = cede::call(|| {
            raise(signal);
            local_address()
        })
        .await;
        let local = Seen::of(signal).local.load(Ordering::SeqCst);
        assert!(local.abs_diff(in_c) > NEAR, "not on the C stack");
        let alternate = alternate_stack();
        let lowest = alternate.ss_sp.addr();
        assert!((lowest..lowest + alternate.ss_size).contains(&local));
    });
}

/// C that calls for the signal itself, at each turn of a call with callbacks.
#[test]
fn a_handler_disturbs_nothing() {
    let signal = handled(6, 0);
    async fn turns(signal: c_int) {
        for _ in 0..200 {
            let sum = cede::call(|| {
                raise(signal);
                let mut f = |arg: c_int| {
                    raise(signal);
                    cede::callback(async {
                        raise(signal);
                        let inner = cede::call(|| {
                            raise(signal);
                            empty(arg)
                        });
                        inner.await
                    })
                    .unwrap_or(-1)
                };
                let (cb, ud) = bridge(&mut f);
                // SAFETY: `f` outlives the call.
                unsafe { callback::call_n(cb, ud, 10) }
            })
            .await;
            assert_eq!(sum, 55);
        }
    }
    on_worker(1, turns(signal));
    on_current_thread(turns(signal));
    assert_eq!(Seen::of(signal).times(), 2 * 200 * 31);
}

fn alternate_stack() -> libc::stack_t {
    let mut now = MaybeUninit::uninit();
    // SAFETY: writes the thread's, and changes nothing.
    assert_eq!(unsafe { libc::sigaltstack(null(), now.as_mut_ptr()) }, 0);
    // SAFETY: written by the call above.
    unsafe { now.assume_init() }
}
