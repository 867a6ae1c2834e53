//! A suspended call that is dropped on its thread is cancelled: C is told, and returns by its own rules within the drop.

use cede::Refused;
use cede_fixtures::REFUSED;
use cede_fixtures::nest::Frames;
use cede_integration_tests::{current_thread, on_current_thread, under_c, under_nested_c, workers};
use std::cell::RefCell;
use std::ffi::c_int;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::{LocalSet, spawn_local};

/// What became of a call whose callback waits forever.
#[derive(Debug, PartialEq, Eq)]
struct End {
    first: Option<Refused>,
    second: Option<Refused>,
    code: c_int,
    frames_left: i32,
}

const CANCELLED: End = End {
    first: Some(Refused::Cancelled),
    second: Some(Refused::Cancelled),
    code: REFUSED,
    frames_left: 4,
};

/// A call that suspends forever, in four C frames; when it is refused C tries once more before it gives up.
fn forever() -> (impl Future<Output = ()> + Send + 'static, Receiver<End>) {
    let (report, reports) = channel();
    (
        cede::call(move || wait_forever(&report)).suspendable(),
        reports,
    )
}

fn wait_forever(report: &Sender<End>) {
    let frames = Frames::default();
    let (mut first, mut second) = (None, None);
    let code = under_nested_c(&frames, 4, || {
        first = cede::callback(pending::<()>()).err();
        second = cede::callback(async {}).err();
        -1
    });
    let end = End {
        first,
        second,
        code,
        frames_left: frames.left.into_inner(),
    };
    report.send(end).unwrap();
}

#[test]
fn by_select() {
    on_current_thread(async {
        let (call, ends) = forever();
        tokio::select! {
            biased;
            () = call => unreachable!("waits forever"),
            () = tokio::task::yield_now() => (),
        }
        assert_eq!(ends.try_recv(), Ok(CANCELLED));
    });
}

#[test]
fn by_timeout() {
    on_current_thread(async {
        let (call, ends) = forever();
        assert!(
            tokio::time::timeout(Duration::from_millis(1), call)
                .await
                .is_err()
        );
        assert_eq!(ends.try_recv(), Ok(CANCELLED));
    });
}

#[test]
fn by_abort() {
    on_current_thread(async {
        let (call, ends) = forever();
        let task = tokio::spawn(call);
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(ends.try_recv(), Ok(CANCELLED));
    });
}

#[test]
fn by_the_end_of_the_runtime() {
    let runtime = current_thread();
    let (call, ends) = forever();
    runtime.block_on(async {
        tokio::spawn(call);
        tokio::task::yield_now().await;
    });
    drop(runtime);
    assert_eq!(ends.try_recv(), Ok(CANCELLED));
}

#[test]
fn by_the_end_of_a_local_set() {
    for runtime in [current_thread(), workers(1)] {
        let local = LocalSet::new();
        let (call, ends) = forever();
        local.block_on(&runtime, async {
            spawn_local(call);
            tokio::task::yield_now().await;
        });
        drop(local);
        assert_eq!(ends.try_recv(), Ok(CANCELLED));
    }
}

#[test]
fn by_the_end_of_its_thread() {
    thread_local! {
        static KEPT: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>> = const { RefCell::new(None) };
    }
    let (call, ends) = forever();
    std::thread::spawn(|| {
        let mut call: Pin<Box<dyn Future<Output = ()>>> = Box::pin(call);
        on_current_thread(std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }));
        KEPT.set(Some(call));
        // What this leaves in the thread is gone when the kept call is dropped.
        assert_eq!(futures::executor::block_on(cede::call(|| 1)), 1);
    })
    .join()
    .unwrap();
    assert_eq!(ends.try_recv(), Ok(CANCELLED));
}

/// Each level's C returns by its own rules, the innermost first.
#[test]
fn with_calls_under_its_callback() {
    fn nested(depth: u32, report: Sender<End>) -> futures::future::BoxFuture<'static, ()> {
        Box::pin(async move {
            let call = cede::call(move || {
                if depth == 1 {
                    return wait_forever(&report);
                }
                let below = report.clone();
                let frames = Frames::default();
                let mut first = None;
                let code = under_nested_c(&frames, 4, || {
                    first = cede::callback(nested(depth - 1, below.clone())).err();
                    -1
                });
                let second = under_c(|| cede::callback(async {})).err();
                let frames_left = frames.left.into_inner();
                report
                    .send(End {
                        first,
                        second,
                        code,
                        frames_left,
                    })
                    .unwrap();
            });
            call.suspendable().await;
        })
    }
    let (report, reports) = channel();
    on_current_thread(async {
        let task = tokio::spawn(nested(5, report));
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(
        reports.try_iter().collect::<Vec<_>>(),
        [CANCELLED, CANCELLED, CANCELLED, CANCELLED, CANCELLED]
    );
}

#[test]
fn what_the_closure_and_the_callback_hold_is_dropped() {
    on_current_thread(async {
        let witness = Arc::new(());
        let (in_closure, in_callback) = (witness.clone(), witness.clone());
        let task = tokio::spawn(
            cede::call(move || {
                let refused = under_c(|| {
                    cede::callback(async move {
                        pending::<()>().await;
                        drop(in_callback);
                    })
                });
                assert_eq!(refused, Err(Refused::Cancelled));
                in_closure
            })
            .suspendable(),
        );
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&witness), 3);
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(Arc::strong_count(&witness), 1, "and so is C's result");
    });
}

/// Nobody awaits the call any more, so a panic on its way out goes no further.
#[test]
fn a_panic_while_it_is_cancelled_is_swallowed() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    on_current_thread(async {
        let task = tokio::spawn(
            cede::call(|| {
                let refused = under_c(|| {
                    cede::callback(async {
                        let _panics = PanicsOnDrop;
                        pending::<()>().await;
                    })
                });
                assert_eq!(refused, Err(Refused::Cancelled));
                panic!("after it was cancelled");
            })
            .suspendable(),
        );
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(
            cede::call(|| under_c(|| cede::callback(async { 2 }))).await,
            Ok(2)
        );
    });
}

/// The drop takes as long as C does; other C calls on the way are as any.
#[test]
fn c_may_make_calls_while_it_is_cancelled() {
    on_current_thread(async {
        let (report, reports) = channel();
        let task = tokio::spawn(
            cede::call(move || {
                let refused = under_c(|| cede::callback(pending::<()>()));
                let inner = futures::executor::block_on(cede::call(|| {
                    under_c(|| cede::callback(async { 4 }))
                }));
                report.send((refused, inner)).unwrap();
            })
            .suspendable(),
        );
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(reports.try_recv(), Ok((Err(Refused::Cancelled), Ok(4))));
    });
}

#[test]
fn stacks_come_back() {
    on_current_thread(async {
        let cancel_some = || async {
            for _ in 0..100 {
                let (call, _ends) = forever();
                let mut call = Box::pin(call);
                let pending = std::future::poll_fn(|cx: &mut Context<'_>| {
                    Poll::Ready(call.as_mut().poll(cx))
                });
                assert!(pending.await.is_pending());
            }
        };
        let leaked = cede::metrics().leaked_stacks;
        cancel_some().await;
        assert_eq!(cede::metrics().leaked_stacks, leaked);
    });
}
