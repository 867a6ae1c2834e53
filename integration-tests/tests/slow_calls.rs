//! A slow call is said to be slow while it is, and to have returned when it has: each once, whatever its mode.

use cede_fixtures::Gate;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{
    Held, LIMIT, Warned, current_thread, on_current_thread, on_worker, under_c,
};
use futures::executor::block_on;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

const SLOW: &str = "slow call";
const RETURNED: &str = "slow call has returned";

/// Has a call sit in `read` until it was said to be slow. Awaits nothing but what was said.
fn is_told_of(name: &'static str, mode: &str, run: impl FnOnce(Arc<Held>, &'static str) + Send) {
    let _watchdog = Watchdog::new(name);
    let warned = Warned::of(name);
    let held = Arc::new(Held::new());
    thread::scope(|scope| {
        let call = scope.spawn({
            let held = held.clone();
            move || run(held, name)
        });
        let slow = warned.await_first(SLOW);
        let number = |field: &str| slow.fields[field].parse::<u128>().unwrap();
        assert_eq!(slow.fields["mode"], mode);
        assert_eq!(slow.fields["syscall"], "read");
        assert_eq!(slow.fields["thread"], held.thread().to_string());
        assert!(
            slow.fields["location"].contains("slow_calls.rs:"),
            "{slow:?}"
        );
        assert!(number("age_ms") >= LIMIT.as_millis());
        assert_eq!(warned.messages(), [SLOW]);
        held.release();
        call.join().unwrap();
    });
    let returned = warned.await_first(RETURNED);
    assert_eq!(returned.fields["mode"], mode);
    assert!(returned.fields["location"].contains("slow_calls.rs:"));
    assert!(returned.fields["took_ms"].parse::<u128>().unwrap() >= LIMIT.as_millis());
    assert_eq!(warned.messages(), [SLOW, RETURNED]);
}

#[test]
fn on_a_worker() {
    is_told_of("plain", "in_place", |held, name| {
        on_worker(
            1,
            async move { cede::call(|| held.wait()).named(name).await },
        );
    });
}

#[test]
fn handed_off_at_once() {
    is_told_of("long", "long", |held, name| {
        on_worker(1, async move {
            cede::call(|| held.wait()).named(name).long().await
        });
    });
}

#[test]
fn in_a_scope() {
    is_told_of("scoped", "in_place", |held, name| {
        on_worker(
            1,
            cede::scope(async move {
                for _ in 0..10 {
                    cede::call(|| ()).named("short").await;
                }
                cede::call(|| held.wait()).named(name).await;
            }),
        );
    });
}

#[test]
fn on_a_thread_without_a_slot() {
    is_told_of("without a slot", "in_place", |held, name| {
        block_on(async move { cede::call(|| held.wait()).named(name).await });
    });
}

#[test]
fn on_a_current_thread_runtime() {
    is_told_of("current-thread", "in_place", |held, name| {
        on_current_thread(async move { cede::call(|| held.wait()).named(name).await });
    });
}

#[test]
fn on_the_threads_own_stack() {
    is_told_of("thread stack", "thread_stack", |held, name| {
        on_worker(1, async move {
            cede::call(|| held.wait())
                .named(name)
                .on_thread_stack()
                .await;
        });
    });
}

#[test]
fn that_could_be_suspended() {
    is_told_of("suspendable", "suspendable", |held, name| {
        on_current_thread(async move {
            cede::call(move || held.wait())
                .named(name)
                .suspendable()
                .await;
        });
    });
}

/// After it was suspended, on another thread perhaps.
#[test]
fn that_may_migrate() {
    is_told_of("migratable", "migratable", |held, name| {
        on_worker(2, async move {
            let f = move || {
                under_c(|| cede::callback(tokio::task::yield_now())).unwrap();
                held.wait();
            };
            // SAFETY: nothing on the stack is the thread's.
            unsafe { cede::call(f).named(name).migratable() }.await;
        });
    });
}

/// It is the inner one that is in C.
#[test]
fn under_a_callback() {
    is_told_of("inner", "in_place", |held, name| {
        on_worker(1, async move {
            cede::call(|| {
                under_c(|| cede::callback(async { cede::call(|| held.wait()).named(name).await }))
            })
            .named("outer")
            .await
            .unwrap();
        });
    });
    assert_eq!(Warned::of("outer").messages(), [""; 0]);
}

/// C that polls a call on the spot, without a callback.
#[test]
fn under_c_itself() {
    is_told_of("on the spot", "in_place", |held, name| {
        on_worker(1, async move {
            cede::call(|| block_on(async { cede::call(|| held.wait()).named(name).await })).await;
        });
    });
}

#[test]
fn offloaded() {
    is_told_of("offloaded", "offloaded", |held, name| {
        on_worker(1, async move {
            cede::offload(move || held.wait()).named(name).await
        });
    });
}

#[test]
fn on_a_lane() {
    let lane = cede::Lane::new("slow").unwrap();
    is_told_of("lane", "lane", |held, name| {
        block_on(
            cede::offload(move || held.wait())
                .named(name)
                .on_lane(&lane),
        );
    });
}

/// What is abandoned is told of all the same.
#[test]
fn abandoned() {
    is_told_of("abandoned", "offloaded", |held, name| {
        // Waits for its threads when it is dropped.
        let runtime = current_thread();
        let wait = held.clone();
        let mut call = cede::offload(move || wait.wait()).named(name);
        {
            let _runtime = runtime.enter();
            call.try_start().unwrap();
        }
        assert!(eventually(|| held.thread() != 0));
        drop(call);
    });
}

/// Suspended when it was slow already. C returns within the drop.
#[test]
fn dropped() {
    is_told_of("dropped", "suspendable", |held, name| {
        on_current_thread(async move {
            let mut call = Box::pin(waits_and_suspends(held).named(name).suspendable());
            poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await
        });
    });
}

fn waits_and_suspends(held: Arc<Held>) -> cede::Call<impl FnOnce() + Send, ()> {
    cede::call(move || {
        held.wait();
        under_c(|| cede::callback(pending::<()>())).unwrap_err();
    })
}

/// Dropped on another thread than its own, C never returns. What comes to lie in the call's place is another one.
#[test]
fn in_the_place_of_one_that_never_ends() {
    let _watchdog = Watchdog::new("in the place of one that never ends");
    let (lost, next) = (Warned::of("never ends"), Warned::of("in its place"));
    let mut place = Box::pin(None);
    for (warned, is_over) in [(lost, false), (next, true)] {
        let held = Arc::new(Held::new());
        place.set(Some(
            waits_and_suspends(held.clone())
                .named(warned.0)
                .suspendable(),
        ));
        thread::scope(|scope| {
            scope.spawn(|| {
                on_current_thread(async {
                    let mut call = place.as_mut().as_pin_mut().unwrap();
                    poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await
                });
                if is_over {
                    place.set(None);
                }
            });
            warned.await_first(SLOW);
            held.release();
        });
        place.set(None);
    }
    next.await_first(RETURNED);
    assert_eq!(lost.messages(), [SLOW]);
    assert_eq!(next.messages(), [SLOW, RETURNED]);
}

/// A call that waits in a lane's line is not in C.
#[test]
fn not_while_it_waits_in_line() {
    let _watchdog = Watchdog::new("in line");
    let (first, second) = (Warned::of("first in line"), Warned::of("second in line"));
    let lane = cede::Lane::new("line").unwrap();
    let held = Arc::new(Held::new());
    let wait = held.clone();
    let mut one = cede::offload(move || wait.wait())
        .named(first.0)
        .on_lane(&lane);
    let mut two = cede::offload(|| ()).named(second.0).on_lane(&lane);
    one.try_start().unwrap();
    two.try_start().unwrap();
    first.await_first(SLOW);
    held.release();
    block_on(async { (one.await, two.await) });
    first.await_first(RETURNED);
    assert_eq!(second.messages(), [""; 0]);
}

#[test]
fn one_after_the_other_on_one_thread() {
    for name in ["one", "two", "three"] {
        is_told_of(name, "in_place", |held, name| {
            block_on(async move { cede::call(|| held.wait()).named(name).await });
        });
    }
    let _watchdog = Watchdog::new("one after the other");
    let held = Held::new();
    let names = ["first", "second", "third"];
    for name in names {
        let _ = Warned::of(name);
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            block_on(async {
                for name in names {
                    cede::call(|| held.wait()).named(name).await;
                }
            });
        });
        for name in names {
            Warned(name).await_first(SLOW);
            held.release();
        }
    });
    for name in names {
        assert_eq!(Warned(name).messages(), [SLOW, RETURNED]);
    }
}

#[test]
fn two_at_once() {
    let _watchdog = Watchdog::new("two at once");
    let calls = [Warned::of("left"), Warned::of("right")];
    let held = [Held::new(), Held::new()];
    thread::scope(|scope| {
        let threads = [0, 1].map(|at| {
            let (held, name) = (&held[at], calls[at].0);
            scope.spawn(move || block_on(cede::call(|| held.wait()).named(name)))
        });
        let told = calls.map(|call| call.await_first(SLOW));
        assert_eq!(
            told.map(|slow| slow.fields["thread"].clone()),
            [0, 1].map(|at| held[at].thread().to_string())
        );
        held.iter().for_each(Held::release);
        for thread in threads {
            thread.join().unwrap();
        }
    });
    for call in calls {
        assert_eq!(call.messages(), [SLOW, RETURNED]);
    }
}

/// Slow twice, for it calls back in between; once is enough.
#[test]
fn once_a_call_though_it_calls_back() {
    is_told_of_once("twice", |call, name| block_on(cede::call(call).named(name)));
}

#[test]
fn once_an_offloaded_call_though_it_calls_back() {
    is_told_of_once("twice, offloaded", |call, name| {
        block_on(cede::offload(call).named(name));
    });
}

fn is_told_of_once<F>(name: &'static str, run: F)
where
    F: FnOnce(Box<dyn FnOnce() + Send>, &'static str) + Send,
{
    let _watchdog = Watchdog::new(name);
    let other = Box::leak(format!("beside {name}").into_boxed_str());
    let (twice, other) = (Warned::of(name), Warned::of(other));
    let (held, again) = (Arc::new(Held::new()), &Held::new());
    thread::scope(|scope| {
        let wait = held.clone();
        let call = scope.spawn(move || {
            let call = Box::new(move || {
                wait.wait();
                under_c(|| cede::callback(async {})).unwrap();
                wait.wait();
            });
            run(call, twice.0);
        });
        twice.await_first(SLOW);
        held.release();
        // Slow for as long as another one, which is seen later.
        scope.spawn(move || block_on(cede::call(|| again.wait()).named(other.0)));
        other.await_first(SLOW);
        assert_eq!(twice.messages(), [SLOW]);
        held.release();
        again.release();
        call.join().unwrap();
    });
    twice.await_first(RETURNED);
    assert_eq!(twice.messages(), [SLOW, RETURNED]);
}

/// The end of a call that panics is one as every other.
#[test]
fn that_panics() {
    is_told_of("panics", "in_place", |held, name| {
        let panics = || -> () {
            held.wait();
            panic!("on purpose");
        };
        let call = AssertUnwindSafe(|| block_on(cede::call(panics).named(name)));
        catch_unwind(call).unwrap_err();
    });
}

#[test]
fn offloaded_that_panics() {
    is_told_of("panics, offloaded", "offloaded", |held, name| {
        let panics = move || -> () {
            held.wait();
            panic!("on purpose");
        };
        let call = AssertUnwindSafe(|| block_on(cede::offload(panics).named(name)));
        catch_unwind(call).unwrap_err();
    });
}

/// The thread's that is in C, not that of who asks.
#[test]
fn in_this_system_call() {
    let _watchdog = Watchdog::new("system calls");
    let (sits, spins) = (Warned::of("sits"), Warned::of("spins"));
    let (gate, goes_on) = (&Gate::new(), &AtomicBool::new(true));
    thread::scope(|scope| {
        scope.spawn(|| block_on(cede::call(|| gate.wait()).named(sits.0)));
        scope.spawn(|| {
            let spin = || while goes_on.load(Ordering::Relaxed) {};
            block_on(cede::call(spin).named(spins.0));
        });
        let syscalls = [sits, spins].map(|call| call.await_first(SLOW).fields["syscall"].clone());
        gate.open();
        goes_on.store(false, Ordering::Relaxed);
        assert_eq!(syscalls, ["futex", "running"]);
    });
}

/// The thread goes, and others come in its place.
#[test]
fn as_the_last_deed_of_a_thread() {
    for name in ["last deed", "last deed of the next"] {
        is_told_of(name, "in_place", |held, name| {
            thread::spawn(move || block_on(async { cede::call(|| held.wait()).named(name).await }))
                .join()
                .unwrap();
        });
    }
}

/// Never, that is.
#[test]
fn in_place_by_a_limit_of_its_own() {
    let _watchdog = Watchdog::new("limits of their own, in place");
    let patient = Warned::of("patient, in place");
    let held = Held::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let call = cede::call(|| held.wait()).named(patient.0);
            block_on(call.slow_after(Duration::MAX));
        });
        assert!(eventually(|| held.thread() != 0));
        // One that began later has the usual one.
        is_told_of("usual, in place", "in_place", |held, name| {
            block_on(async move { cede::call(|| held.wait()).named(name).await });
        });
        held.release();
    });
    assert_eq!(patient.messages(), [""; 0]);
}

/// A limit of its own.
#[test]
fn offloaded_by_a_limit_of_its_own() {
    let _watchdog = Watchdog::new("limits of their own");
    let (patient, other) = (Warned::of("patient"), Warned::of("not patient"));
    let held = Arc::new([Held::new(), Held::new()]);
    let call = |at: usize, limit| {
        let held = held.clone();
        let name = [patient, other][at].0;
        let mut call = cede::offload(move || held[at].wait())
            .named(name)
            .slow_after(limit);
        call.try_start().unwrap();
        call
    };
    let calls = (call(0, Duration::MAX), call(1, Duration::from_millis(1)));
    other.await_first(SLOW);
    // One that is under way for as long has the usual limit.
    is_told_of("usual", "in_place", |held, name| {
        block_on(async move { cede::call(|| held.wait()).named(name).await });
    });
    held.iter().for_each(Held::release);
    block_on(async { (calls.0.await, calls.1.await) });
    other.await_first(RETURNED);
    assert_eq!(other.messages(), [SLOW, RETURNED]);
    assert_eq!(patient.messages(), [""; 0]);
}
