//! C++ exceptions keep their identity across callbacks from catch blocks and from destructors that run while an exception
//! is in flight: parked, suspended, in crossed order, and nested.

use cede::Refused;
use cede_fixtures::{Callback, HAS_CXX, REFUSED, bridge, cxx};
use cede_integration_tests::{on_current_thread, on_worker, workers};
use std::ffi::{c_int, c_void};
use std::future::Future;
use tokio::sync::oneshot;

type Frame = unsafe fn(Callback, *mut c_void, c_int) -> Option<c_int>;

/// Eight frames, by turns a catch block and a destructor.
unsafe fn deep(cb: Callback, ud: *mut c_void, arg: c_int) -> Option<c_int> {
    // SAFETY: the caller's promise; eight frames fit any stack.
    unsafe { cxx::deep(cb, ud, arg, 8) }
}

const FRAMES: [(&str, Frame); 4] = [
    ("rethrow", cxx::rethrow),
    ("unwind", cxx::unwind),
    ("current", cxx::current),
    ("deep", deep),
];

/// Whether the tests can say anything.
fn has_cxx() -> bool {
    if !HAS_CXX {
        eprintln!("skipped: there was no C++ compiler");
    }
    HAS_CXX
}

/// Enters a C++ frame that calls back from the midst of its exception; a refusal is a negative number.
fn enter<T>(frame: Frame, callback: impl FnOnce() -> Result<T, Refused>) -> c_int {
    let mut callback = Some(callback);
    let mut f = |_: c_int| {
        let callback = callback.take().expect("each frame calls back once");
        if callback().is_ok() { 0 } else { -1 }
    };
    let (cb, ud) = bridge(&mut f);
    // SAFETY: `f` outlives the call.
    unsafe { frame(cb, ud, 0) }.expect("there is a C++ compiler")
}

#[track_caller]
fn intact(code: c_int, at: &str) {
    assert_eq!(code, 0, "{at}: {}", cxx::meaning(code));
}

/// What a callback waits for while other C++ throws and catches on its thread.
async fn waits() {
    tokio::task::yield_now().await;
    for (name, frame) in FRAMES {
        intact(cede::call(move || enter(frame, || Ok(()))).await, name);
        intact(enter(frame, || Ok(())), name);
    }
    tokio::task::yield_now().await;
}

async fn parked() {
    for (name, frame) in FRAMES {
        intact(
            cede::call(move || enter(frame, || cede::callback(waits()))).await,
            name,
        );
        intact(
            cede::call(move || enter(frame, || cede::callback(waits())))
                .brief()
                .await,
            name,
        );
        intact(
            cede::call(move || enter(frame, || cede::callback(waits())))
                .on_thread_stack()
                .await,
            name,
        );
        intact(
            cede::scope(cede::call(move || enter(frame, || cede::callback(waits())))).await,
            name,
        );
        intact(
            cede::call(move || enter(frame, || cede::callback(waits())))
                .suspendable()
                .await,
            name,
        );
    }
}

#[test]
fn parked_calls() {
    if has_cxx() {
        on_worker(1, parked());
        workers(1).block_on(parked());
    }
}

#[test]
fn suspended_calls() {
    if has_cxx() {
        on_current_thread(async {
            for (name, frame) in FRAMES {
                let code = cede::call(move || enter(frame, || cede::callback(waits())))
                    .suspendable()
                    .await;
                intact(code, name);
            }
        });
    }
}

/// Two calls suspend in the midst of an exception, and the one that came first goes on first: not as frames nest.
#[test]
fn two_suspended_calls_in_crossed_order() {
    if !has_cxx() {
        return;
    }
    for (first, one) in FRAMES {
        for (second, other) in FRAMES {
            on_current_thread(crossed(first, one, second, other));
        }
    }
}

async fn crossed(first: &'static str, one: Frame, second: &'static str, other: Frame) {
    let suspended_in = |frame| {
        let (reach, reached) = oneshot::channel();
        let (go_on, gone_on) = oneshot::channel::<()>();
        let task = tokio::spawn(
            cede::call(move || {
                enter(frame, || {
                    cede::callback(async {
                        reach.send(()).unwrap();
                        gone_on.await.unwrap();
                    })
                })
            })
            .suspendable(),
        );
        (task, reached, go_on)
    };
    let (one, one_reached, one_goes_on) = suspended_in(one);
    one_reached.await.unwrap();
    let (other, other_reached, other_goes_on) = suspended_in(other);
    other_reached.await.unwrap();
    waits().await;
    one_goes_on.send(()).unwrap();
    intact(one.await.unwrap(), &format!("{first}, before {second}"));
    waits().await;
    other_goes_on.send(()).unwrap();
    intact(other.await.unwrap(), &format!("{second}, after {first}"));
    waits().await;
}

/// A callback from the midst of an exception makes a call whose C++ throws in turn, and so on.
fn nested(depth: usize, suspendable: bool) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        if depth > 0 {
            let (name, frame) = FRAMES[depth % FRAMES.len()];
            let call =
                cede::call(move || enter(frame, || cede::callback(nested(depth - 1, suspendable))));
            intact(
                if suspendable {
                    call.suspendable().await
                } else {
                    call.await
                },
                name,
            );
        }
    })
}

#[test]
fn nested_calls() {
    if has_cxx() {
        on_worker(1, nested(8, false));
        on_worker(1, cede::scope(nested(8, false)));
        on_current_thread(nested(8, true));
        on_current_thread(async {
            let side_by_side: Vec<_> = (4..9)
                .map(|depth| tokio::spawn(nested(depth, true)))
                .collect();
            for task in side_by_side {
                task.await.unwrap();
            }
        });
    }
}

async fn suspended_forever(frame: Frame, report: std::sync::mpsc::Sender<c_int>) {
    let never = std::future::pending::<()>();
    cede::call(move || report.send(enter(frame, || cede::callback(never))).unwrap())
        .suspendable()
        .await;
}

/// A cancelled call's C++ ends its exception by its own rules, on the thread that has others.
#[test]
fn cancelled_calls() {
    if !has_cxx() {
        return;
    }
    for (name, frame) in FRAMES {
        let (report, reports) = std::sync::mpsc::channel();
        on_current_thread(async {
            polled_once_then_dropped(suspended_forever(frame, report)).await;
            waits().await;
        });
        assert_eq!(reports.try_recv(), Ok(REFUSED), "{name}");
    }
}

async fn polled_once_then_dropped(future: impl Future) {
    let mut future = Box::pin(future);
    let polled =
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending()))
            .await;
    assert!(polled);
    drop(future);
}

#[test]
fn a_callback_that_panics() {
    if !has_cxx() {
        return;
    }
    for (name, frame) in FRAMES {
        on_worker(1, async move {
            let (report, reports) = std::sync::mpsc::channel();
            let panics = async { panic!("in a callback") };
            let task = tokio::spawn(cede::call(move || {
                report
                    .send(enter(frame, || cede::callback(panics)))
                    .unwrap();
            }));
            assert!(task.await.unwrap_err().is_panic());
            assert_eq!(reports.try_recv(), Ok(REFUSED), "{name}");
            waits().await;
        });
    }
}
