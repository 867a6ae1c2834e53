//! A panic under C is raised from the awaited call, when every C frame has returned by its own rules.

use cede::Refused;
use cede_fixtures::nest::Frames;
use cede_fixtures::{REFUSED, plain::empty};
use cede_integration_tests::{on_current_thread, on_worker, under_c, under_nested_c, workers};
use std::any::Any;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

/// A payload that is known again.
#[derive(Debug, PartialEq, Eq)]
struct Marked(u32);

/// Awaits a future that is to panic, and returns the payload.
async fn payload_of<F: Future>(future: F) -> Box<dyn Any + Send> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(_)) => panic!("did not panic"),
            Err(payload) => Poll::Ready(payload),
        }
    })
    .await
}

async fn marked<F: Future>(future: F) -> Marked {
    *payload_of(future).await.downcast().unwrap()
}

async fn the_thread_can_call_again() {
    assert_eq!(cede::call(|| empty(1)).await, 2);
    assert_eq!(
        cede::call(|| under_c(|| cede::callback(async { 3 }))).await,
        Ok(3)
    );
}

async fn panics_in_f() {
    assert_eq!(marked(cede::call(|| panic_any(Marked(1)))).await, Marked(1));
    assert_eq!(
        marked(cede::call(|| panic_any(Marked(2))).long()).await,
        Marked(2)
    );
    assert_eq!(
        marked(cede::call(|| panic_any(Marked(3))).brief()).await,
        Marked(3)
    );
    assert_eq!(
        marked(cede::call(|| panic_any(Marked(4))).on_thread_stack()).await,
        Marked(4)
    );
    assert_eq!(
        marked(cede::call(|| panic_any(Marked(5))).suspendable()).await,
        Marked(5)
    );
    assert_eq!(
        marked(cede::scope(cede::call(|| panic_any(Marked(6))))).await,
        Marked(6)
    );
    the_thread_can_call_again().await;
}

#[test]
fn a_panic_of_the_closure() {
    on_worker(1, panics_in_f());
    workers(1).block_on(panics_in_f());
    on_current_thread(panics_in_f());
    futures::executor::block_on(panics_in_f());
}

async fn panics_in_a_callback() {
    async fn panics(after: bool) -> i32 {
        if after {
            tokio::task::yield_now().await;
        }
        panic_any(Marked(7))
    }
    let asks = |after| {
        move || {
            assert_eq!(
                under_c(|| cede::callback(panics(after))),
                Err(Refused::Panicked)
            )
        }
    };
    for after in [false, true] {
        assert_eq!(
            marked(cede::call(asks(after)).suspendable()).await,
            Marked(7)
        );
    }
    assert_eq!(marked(cede::call(asks(false))).await, Marked(7));
    assert_eq!(marked(cede::call(asks(false)).brief()).await, Marked(7));
    assert_eq!(
        marked(cede::call(asks(false)).on_thread_stack()).await,
        Marked(7)
    );
    assert_eq!(
        marked(cede::scope(cede::call(asks(false)))).await,
        Marked(7)
    );
    the_thread_can_call_again().await;
}

#[test]
fn a_panic_of_a_callback() {
    on_worker(1, panics_in_a_callback());
    workers(1).block_on(panics_in_a_callback());
    on_current_thread(panics_in_a_callback());
}

/// Five C frames a level, three levels of calls, and the innermost callback panics.
fn level(depth: u32) -> futures::future::BoxFuture<'static, i32> {
    Box::pin(async move {
        if depth == 0 {
            tokio::task::yield_now().await;
            panic_any(Marked(3));
        }
        let frames = Frames::default();
        let call = cede::call(|| {
            under_nested_c(&frames, 5, || {
                cede::callback(level(depth - 1)).unwrap_or(-1)
            })
        });
        // The call is polled by hand, for it is to be seen that C was through before the panic came out.
        let mut call = Box::pin(call);
        std::future::poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
                Ok(polled) => polled,
                Err(payload) => {
                    assert_eq!(frames.entered.load(Ordering::SeqCst), 5, "at {depth}");
                    assert_eq!(frames.left.load(Ordering::SeqCst), 5, "at {depth}");
                    resume_unwind(payload)
                }
            },
        )
        .await
    })
}

async fn three_levels_deep() {
    for _ in 0..10 {
        assert_eq!(marked(level(3)).await, Marked(3));
        the_thread_can_call_again().await;
    }
}

#[test]
fn three_levels_deep_every_c_frame_returns() {
    on_worker(1, three_levels_deep());
    on_worker(1, cede::scope(three_levels_deep()));
    workers(1).block_on(three_levels_deep());
}

/// A level that catches what comes from below goes on, and what is above it hears nothing.
#[test]
fn a_panic_that_a_callback_catches_ends_there() {
    on_worker(1, async {
        let answer =
            cede::call(|| under_c(|| cede::callback(async { marked(level(2)).await }))).await;
        assert_eq!(answer, Ok(Marked(3)));
    });
}

/// C goes on after an error, calls back again, and then Rust under C panics too: the first payload wins.
fn first_of_many() -> impl FnOnce() + Send + 'static {
    || {
        assert_eq!(
            under_c(|| cede::callback(async { panic_any(Marked(1)) })),
            Err::<(), _>(Refused::Panicked)
        );
        let mut polled = false;
        assert_eq!(
            under_c(|| cede::callback(async { polled = true })),
            Err(Refused::Panicked)
        );
        assert_eq!(
            under_c(|| cede::callback_local(async { panic_any(Marked(2)) })),
            Err::<(), _>(Refused::Panicked)
        );
        assert!(!polled, "later callbacks are refused before they run");
        panic_any(Marked(3))
    }
}

#[test]
fn the_first_of_many_wins() {
    on_worker(1, async {
        assert_eq!(marked(cede::call(first_of_many())).await, Marked(1));
        assert_eq!(
            marked(cede::call(first_of_many()).on_thread_stack()).await,
            Marked(1)
        );
        the_thread_can_call_again().await;
    });
    on_current_thread(async {
        assert_eq!(
            marked(cede::call(first_of_many()).suspendable()).await,
            Marked(1)
        );
    });
}

/// A future whose destructor panics, and which is ready or not.
struct PanicsOnDrop {
    ready: bool,
}

impl Future for PanicsOnDrop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic_any(Marked(8));
    }
}

#[test]
fn a_panic_when_a_callbacks_future_is_dropped() {
    on_worker(1, async {
        let asks = || {
            assert_eq!(
                under_c(|| cede::callback(PanicsOnDrop { ready: true })),
                Err(Refused::Panicked)
            )
        };
        assert_eq!(marked(cede::call(asks)).await, Marked(8));
        assert_eq!(marked(cede::call(asks).on_thread_stack()).await, Marked(8));
        the_thread_can_call_again().await;
    });
}

#[test]
fn a_panic_when_a_refused_future_is_dropped() {
    on_current_thread(async {
        let asks = || {
            assert_eq!(
                under_c(|| cede::callback(PanicsOnDrop { ready: false })),
                Err(Refused::WouldStarve)
            )
        };
        assert_eq!(marked(cede::call(asks)).await, Marked(8));
        the_thread_can_call_again().await;
    });
    // Nobody is there to raise it: it goes no further than the refusal.
    assert_eq!(
        cede::callback(PanicsOnDrop { ready: true }),
        Err(Refused::NoCall)
    );
}

/// A destructor that calls back.
struct AsksOnDrop<'a>(&'a mut Option<Result<(), Refused>>);

impl Drop for AsksOnDrop<'_> {
    fn drop(&mut self) {
        *self.0 = Some(under_c(|| cede::callback(async {})));
    }
}

#[test]
fn a_callback_of_a_destructor_that_a_panic_runs_is_refused() {
    on_worker(1, async {
        let mut answer = None;
        let call = cede::call(|| {
            let _asks = AsksOnDrop(&mut answer);
            panic_any(Marked(9));
        });
        assert_eq!(marked(call).await, Marked(9));
        assert_eq!(answer, Some(Err(Refused::Panicking)));

        let mut answer = None;
        cede::call(|| drop(AsksOnDrop(&mut answer))).await;
        assert_eq!(
            answer,
            Some(Ok(())),
            "without a panic the same destructor is heard"
        );
    });
}

#[test]
fn a_call_of_a_destructor_that_a_panic_runs() {
    struct Calls<'a>(&'a mut i32);
    impl Drop for Calls<'_> {
        fn drop(&mut self) {
            *self.0 = futures::executor::block_on(cede::call(|| empty(1)));
        }
    }
    on_worker(1, async {
        let mut returned = 0;
        let panics = async {
            let _calls = Calls(&mut returned);
            panic_any(Marked(9));
        };
        assert_eq!(marked(panics).await, Marked(9));
        assert_eq!(returned, 2);
    });
}

#[test]
fn the_error_code_travels_by_cs_own_rules() {
    on_worker(1, async {
        let frames = Frames::default();
        let mut code = 0;
        let call = cede::call(|| {
            code = under_nested_c(&frames, 3, || {
                cede::callback(async { panic_any(Marked(1)) }).unwrap_or(-1)
            });
        });
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(code, REFUSED);
        assert_eq!(frames.left.into_inner(), 3);
    });
}

#[test]
fn panics_of_callbacks_are_counted() {
    let before = cede::metrics();
    on_worker(1, async {
        let asks = || assert!(under_c(|| cede::callback(async { panic_any(Marked(1)) })).is_err());
        marked(cede::call(asks)).await;
    });
    let after = cede::metrics();
    assert!(after.panics > before.panics);
    assert!(after.refusals > before.refusals);
}

/// The future that C waits for is dropped when it is refused, before C goes on.
#[test]
fn a_panicked_future_is_dropped_before_c_goes_on() {
    on_worker(1, async {
        let witness = std::sync::Arc::new(());
        let held = witness.clone();
        let asks = || {
            let panics = async move {
                let _held = held;
                panic_any(Marked(1));
            };
            assert_eq!(
                under_c(|| cede::callback(panics)),
                Err::<(), _>(Refused::Panicked)
            );
            assert_eq!(std::sync::Arc::strong_count(&witness), 1);
        };
        assert_eq!(marked(cede::call(asks)).await, Marked(1));
    });
}

#[test]
fn a_suspended_call_that_is_dropped_by_a_panic_is_cancelled() {
    on_current_thread(async {
        let (report, reports) = std::sync::mpsc::channel();
        let task = tokio::spawn(async move {
            let suspended = cede::call(move || {
                let frames = Frames::default();
                let mut why = None;
                under_nested_c(&frames, 3, || {
                    why = cede::callback(pending::<()>()).err();
                    -1
                });
                report.send((why, frames.left.into_inner())).unwrap();
            })
            .suspendable();
            let panics = async {
                tokio::task::yield_now().await;
                panic_any(Marked(4));
            };
            tokio::join!(suspended, panics)
        });
        assert_eq!(
            *task
                .await
                .unwrap_err()
                .into_panic()
                .downcast::<Marked>()
                .unwrap(),
            Marked(4)
        );
        assert_eq!(reports.try_recv(), Ok((Some(Refused::Cancelled), 3)));
    });
}
