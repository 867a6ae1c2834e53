//! A callback from a thread that C has made runs as a task of the registering runtime, and C gets its answer.

use cede::{Overflow, Registered, Reply};
use cede_fixtures::{errno, foreign};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{Traced, current_thread, workers};
use std::collections::HashSet;
use std::ffi::{c_int, c_long, c_void};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;
use tracing::Level;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::filter::LevelFilter;

type IntToInt = Registered<fn(c_int) -> c_int>;

/// Registers inside of the runtime, and has so many threads of C's call so often each. The sum of the answers.
fn run_foreign<F, Fut>(runtime: &Runtime, threads: c_int, calls: c_int, closure: F) -> c_long
where
    F: Fn(c_int) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = c_int> + Send + 'static,
{
    let _inside = runtime.enter();
    let registered = IntToInt::new(-1_000_000, closure);
    // SAFETY: the function may be called on any thread, with this data.
    unsafe { foreign::run(registered.data_first(), registered.data(), threads, calls) }
}

#[test]
fn c_gets_the_answer_of_a_future_that_waits() {
    let _watchdog = Watchdog::new("an answer");
    for runtime in [workers(1), workers(2)] {
        let sum = run_foreign(&runtime, 1, 10, |n: c_int| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            n * 2
        });
        assert_eq!(sum, 90);
    }
}

#[test]
fn a_current_thread_runtime_answers_while_it_is_driven() {
    let _watchdog = Watchdog::new("current-thread runtime");
    let runtime = current_thread();
    let sum = runtime.block_on(async {
        let registered = Registered::new(-1, |n: c_int| async move {
            tokio::task::yield_now().await;
            n + 1
        });
        let (function, data) = (registered.data_first(), registered.data().addr());
        // SAFETY: the function may be called on any thread, with this data.
        let run = move || unsafe {
            foreign::run(function, std::ptr::without_provenance_mut(data), 4, 10)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    });
    assert_eq!(sum, (1..=40).sum::<c_long>());
}

/// All of them are in a callback at once, or the barrier would not open.
#[test]
fn sixty_four_threads_at_once_lose_nothing() {
    let _watchdog = Watchdog::new("64 threads");
    let runtime = workers(2);
    let barrier = Arc::new(Barrier::new(64));
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let sum = run_foreign(&runtime, 64, 20, {
        let seen = seen.clone();
        move |n: c_int| {
            let (barrier, seen) = (barrier.clone(), seen.clone());
            async move {
                barrier.wait().await;
                assert!(seen.lock().unwrap().insert(n), "{n} came twice");
                1
            }
        }
    });
    assert_eq!(sum, 64 * 20);
    assert_eq!(*seen.lock().unwrap(), (0..64 * 20).collect());
}

#[test]
fn callbacks_of_one_thread_come_in_its_order() {
    let runtime = workers(2);
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = order.clone();
    run_foreign(&runtime, 4, 50, move |n: c_int| {
        let seen = seen.clone();
        async move {
            tokio::task::yield_now().await;
            seen.lock().unwrap().push(n);
            0
        }
    });
    let order = order.lock().unwrap();
    for thread in 0..4 {
        let own = order.iter().filter(|n| **n / 50 == thread);
        assert!(own.copied().eq(thread * 50..thread * 50 + 50));
    }
}

#[test]
fn each_callback_is_a_task_of_its_own_in_the_span_and_with_the_dispatcher_of_the_registration() {
    let runtime = workers(1);
    let tasks = Arc::new(Mutex::new(HashSet::new()));
    let seen = tasks.clone();
    runtime.block_on(
        async move {
            let outer = tracing::info_span!("registering");
            assert!(outer.id().is_some());
            let entered = outer.enter();
            let expected = outer.id();
            let registered = Registered::new(-1, move |n: c_int| {
                // On C's thread, but with everything that belongs to the registration.
                assert_eq!(tracing::Span::current().id(), expected);
                tokio::runtime::Handle::current();
                let (expected, seen) = (expected.clone(), seen.clone());
                async move {
                    for _ in 0..2 {
                        assert_eq!(tracing::Span::current().id(), expected);
                        tokio::task::yield_now().await;
                    }
                    assert!(seen.lock().unwrap().insert(tokio::task::id()));
                    n
                }
            });
            drop(entered);
            let (function, data) = (registered.data_first(), registered.data());
            // SAFETY: the function may be called on any thread, with this data.
            let sum = unsafe { foreign::run(function, data, 2, 3) };
            assert_eq!(sum, 15);
        }
        .with_subscriber(tracing_subscriber::registry()),
    );
    assert_eq!(tasks.lock().unwrap().len(), 6);
}

/// Whether it was made for this span or that: it is dropped there.
struct DroppedIn(Option<tracing::span::Id>);

impl Drop for DroppedIn {
    fn drop(&mut self) {
        assert_eq!(tracing::Span::current().id(), self.0);
    }
}

#[test]
fn a_future_is_dropped_in_the_span_of_the_registration() {
    let runtime = workers(1);
    let traced = Traced::default();
    tracing::subscriber::with_default(traced.subscriber(LevelFilter::INFO), || {
        let _inside = runtime.enter();
        let outer = tracing::info_span!("registering");
        let expected = outer.id();
        assert!(expected.is_some());
        let registered = outer.in_scope(|| {
            Registered::new(-1, move |n: c_int| {
                let there = DroppedIn(expected.clone());
                std::future::poll_fn(move |_| {
                    let _there = &there;
                    std::task::Poll::Ready(n)
                })
            })
        });
        // SAFETY: the function may be called on any thread, with this data.
        let sum = unsafe { foreign::run(registered.data_first(), registered.data(), 2, 3) };
        assert_eq!(sum, 15, "none has panicked");
        drop((registered, outer));
        assert_eq!(traced.events(|event| event.level == Level::ERROR).len(), 0);
    });
    let spans = traced.spans();
    assert!(spans[0].is_closed && spans[0].entered == spans[0].exited);
}

#[test]
fn a_future_is_gone_before_c_goes_on() {
    struct Notes(Arc<AtomicBool>);
    impl Drop for Notes {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(20));
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let runtime = workers(1);
    let _inside = runtime.enter();
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = gone.clone();
    let registered = Registered::new(-1, move |n: c_int| {
        let notes = Notes(is_gone.clone());
        async move {
            let _notes = notes;
            tokio::task::yield_now().await;
            n
        }
    });
    let (function, data) = (registered.data_first(), registered.data().addr());
    let thread = thread::spawn(move || {
        let answer = function(std::ptr::without_provenance_mut(data), 3);
        assert!(gone.load(Ordering::SeqCst));
        answer
    });
    assert_eq!(thread.join().unwrap(), 3);
}

/// By what runs on C's thread, that is the closure, and by what waits there.
#[test]
fn errno_is_kept() {
    fn fail() {
        std::fs::File::open("/no/such/file").unwrap_err();
    }
    let runtime = workers(1);
    let _inside = runtime.enter();
    let awaited: IntToInt = Registered::new(-1, |_: c_int| {
        fail();
        async { 0 }
    });
    let reply = Reply {
        taken: 0,
        refused: -1,
    };
    let (stream, _events) = Registered::stream(1, Overflow::Refuse, reply, |_: c_int| fail());
    for registered in [awaited, stream] {
        let (function, data) = (registered.data_first(), registered.data().addr());
        let thread = thread::spawn(move || {
            // SAFETY: the function may be called on any thread, with this data.
            unsafe { errno::across(function, std::ptr::without_provenance_mut(data), 77) }
        });
        assert_eq!(thread.join().unwrap(), 77);
    }
}

#[test]
fn a_thread_may_call_back_while_it_ends() {
    let _watchdog = Watchdog::new("a thread that ends");
    let runtime = workers(1);
    let _inside = runtime.enter();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let registered = Registered::new(-1, move |n: c_int| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            n
        }
    });
    // SAFETY: the function may be called on any thread, with this data.
    let last = unsafe { foreign::at_exit(registered.data_first(), registered.data(), 5) };
    assert_eq!(last, 5);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[test]
fn all_arities_with_the_data_first_and_last() {
    let runtime = workers(1);
    let _inside = runtime.enter();
    macro_rules! arity {
        ($($a:ident)*; $($n:literal)*) => {{
            let registered = Registered::new(-1, |$($a: i64),*| async move { 0 $(* 10 + $a)* });
            let data = registered.data().addr();
            let data = || std::ptr::without_provenance_mut::<c_void>(data);
            let expected = 0 $(* 10 + $n)*;
            assert_eq!((registered.data_first())(data() $(, $n)*), expected);
            assert_eq!((registered.data_last())($($n,)* data()), expected);
        }};
    }
    arity!(;);
    arity!(a; 1);
    arity!(a b; 1 2);
    arity!(a b c; 1 2 3);
    arity!(a b c d; 1 2 3 4);
    arity!(a b c d e; 1 2 3 4 5);
    arity!(a b c d e f; 1 2 3 4 5 6);
    arity!(a b c d e f g; 1 2 3 4 5 6 7);
    arity!(a b c d e f g h; 1 2 3 4 5 6 7 8);
}
