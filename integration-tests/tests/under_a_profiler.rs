//! A profiler interrupts every thread all the time, and may have its handler walk the stack: calls, callbacks, panics and the
//! switches between them stay right.

use cede::{Refused, StandbyThreads};
use cede_fixtures::plain::empty;
use cede_fixtures::trace::return_addresses;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{current_thread, later, under_c};
use std::ffi::c_int;
use std::future::Future;
use std::panic::{AssertUnwindSafe, panic_any};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

static SAMPLES: AtomicUsize = AtomicUsize::new(0);
/// Traces that did not end where a thread begins, but where there was no more room.
static ENDLESS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: c_int) {
    SAMPLES.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn sample(_: c_int) {
    let mut frames = [0; 512];
    let room = frames.len();
    if return_addresses(&mut frames).is_some_and(|trace| trace.len() == room) {
        ENDLESS.fetch_add(1, Ordering::Relaxed);
    }
    SAMPLES.fetch_add(1, Ordering::Relaxed);
}

/// Handles SIGPROF, which comes with the time that the process takes, and to each thread on the list besides.
fn install(handler: extern "C" fn(c_int)) {
    let mut frames = [0; 8];
    // Whatever the first trace has to load, it loads here and not in a handler.
    let _ = return_addresses(&mut frames);
    // SAFETY: all zeroes is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: reads the action, whose handler does only what a handler may.
    let status = unsafe { libc::sigaction(libc::SIGPROF, &raw const action, null_mut()) };
    assert_eq!(status, 0);
    let often = libc::timeval {
        tv_sec: 0,
        tv_usec: 1000,
    };
    let timer = libc::itimerval {
        it_interval: often,
        it_value: often,
    };
    // SAFETY: reads the setting.
    let status = unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, null_mut()) };
    assert_eq!(status, 0);
}

/// The threads that are interrupted: those that are alive, as long as the lock is held.
#[derive(Clone, Default)]
struct Victims(Arc<Mutex<Vec<libc::pthread_t>>>);

impl Victims {
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<libc::pthread_t>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self) {
        // SAFETY: takes nothing.
        self.all().push(unsafe { libc::pthread_self() });
    }

    fn leave(&self) {
        // SAFETY: takes nothing.
        let this = unsafe { libc::pthread_self() };
        self.all().retain(|&thread| thread != this);
    }
}

/// Interrupts the victims until it is dropped.
struct Storm {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Storm {
    fn over(victims: &Victims) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (victims, over) = (victims.clone(), over.clone());
            move || {
                while !over.load(Ordering::Relaxed) {
                    for &thread in victims.all().iter() {
                        // SAFETY: it is on the list, so it is alive until the lock is given up.
                        unsafe { libc::pthread_kill(thread, libc::SIGPROF) };
                    }
                    thread::sleep(Duration::from_micros(20));
                }
            }
        });
        Self {
            over,
            thread: Some(thread),
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn answers(n: i32) -> i32 {
    if n % 3 == 0 {
        later().await;
    }
    cede::call(|| under_c(|| cede::callback(async { empty(n) })).unwrap()).await
}

/// What is to be right, whenever it is interrupted.
async fn turn(n: i32) {
    let asks = || under_c(|| cede::callback(answers(n)));
    assert_eq!(cede::call(asks).await, Ok(n + 1));
    assert_eq!(cede::call(asks).brief().await, Ok(n + 1));
    assert_eq!(cede::call(asks).on_thread_stack().await, Ok(n + 1));
    assert_eq!(cede::scope(cede::call(asks)).await, Ok(n + 1));
    let (returned, errno) = cede::call(|| cede_fixtures::errno::fail_int(n))
        .with_errno()
        .await;
    assert_eq!((returned, errno.raw()), (-1, n));
}

async fn turn_with_panic(n: i32) {
    turn(n).await;
    let panics = cede::call(|| {
        let refused = under_c(|| cede::callback(async { panic_any(n) }));
        assert_eq!(refused, Err::<(), _>(Refused::Panicked));
    });
    let payload = futures::FutureExt::catch_unwind(AssertUnwindSafe(panics)).await;
    assert_eq!(payload.unwrap_err().downcast_ref(), Some(&n));
}

/// Enough to have met every place more than once.
const ENOUGH: usize = 3000;

/// On two workers and whoever takes their place.
fn on_workers<F>(handler: extern "C" fn(c_int), turn: fn(i32) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let _watchdog = Watchdog::new("calls under a profiler");
    // The panics with a number are on purpose, and to print each takes longer than the rest.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<i32>() {
            print(info);
        }
    }));
    install(handler);
    let victims = Victims::default();
    let [joins, stands_in] = [victims.clone(), victims.clone()];
    let [leaves, stands_down] = [victims.clone(), victims.clone()];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || joins.join())
        .on_thread_stop(move || leaves.leave())
        .build()
        .unwrap();
    StandbyThreads::new()
        .on_start(move || stands_in.join())
        .on_stop(move || stands_down.leave())
        .apply_to(runtime.handle());
    let storm = Storm::over(&victims);
    runtime.block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                tokio::spawn(async move {
                    let mut n = 1;
                    while SAMPLES.load(Ordering::Relaxed) < ENOUGH || n < 200 {
                        turn(n).await;
                        n += 1;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    drop(storm);
    assert!(SAMPLES.load(Ordering::Relaxed) >= ENOUGH);
    assert_eq!(ENDLESS.load(Ordering::Relaxed), 0);
}

/// Each in a process of its own: signal, timer and panic hook are the process's.
fn in_a_child(test: &str, f: impl FnOnce()) {
    if cede_integration_tests::child_task().is_some() {
        f();
        println!("through");
        return;
    }
    let output = cede_integration_tests::child(test, "run");
    let told = String::from_utf8_lossy(&output.stdout);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {message}{told}",
        output.status
    );
    assert!(told.contains("through"), "{told}");
}

#[test]
fn that_counts() {
    in_a_child("that_counts", || on_workers(count, turn_with_panic));
}

/// Without panics: while libgcc leaves the frames that it unwinds, those frames are not to be walked, in any program.
#[test]
fn that_walks_the_stack() {
    in_a_child("that_walks_the_stack", || on_workers(sample, turn));
}

/// Calls that are set aside and resumed on one thread.
#[test]
fn that_counts_on_a_current_thread_runtime() {
    in_a_child("that_counts_on_a_current_thread_runtime", || {
        let _watchdog = Watchdog::new("suspended calls under a profiler");
        install(count);
        let victims = Victims::default();
        victims.join();
        let storm = Storm::over(&victims);
        current_thread().block_on(async {
            let mut n = 1;
            while SAMPLES.load(Ordering::Relaxed) < ENOUGH || n < 200 {
                let call = |n| {
                    let asks = move || {
                        under_c(|| {
                            cede::callback(async move {
                                later().await;
                                let inner = cede::call(move || {
                                    under_c(|| cede::callback(async move { empty(n) }))
                                });
                                inner.suspendable().await.unwrap()
                            })
                        })
                    };
                    cede::call(asks).suspendable()
                };
                assert_eq!(tokio::join!(call(n), call(n + 1)), (Ok(n + 1), Ok(n + 2)));
                n += 1;
            }
        });
        drop(storm);
        victims.leave();
    });
}
