//! A suspended call that is dropped is told so, and returns by its own rules within the drop, on the thread that drops it.

use crate::hands::{Hand, thread, wait};
use cede::Refused;
use cede_fixtures::REFUSED;
use cede_fixtures::nest::Frames;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{current_thread, under_c, under_nested_c, workers};
use std::ffi::c_int;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::coop::{consume_budget, has_budget_remaining};

/// What became of a call whose callback waits for ever, and where.
#[derive(Debug, PartialEq, Eq)]
struct End {
    first: Option<Refused>,
    second: Option<Refused>,
    code: c_int,
    frames_left: i32,
    thread: i32,
}

fn cancelled_on(thread: i32) -> End {
    End {
        first: Some(Refused::Cancelled),
        second: Some(Refused::Cancelled),
        code: REFUSED,
        frames_left: 4,
        thread,
    }
}

type Forever = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call that waits for ever in four C frames; when it is refused C tries once more before it gives up.
fn forever() -> (Forever, Receiver<End>) {
    let (call, ends, _) = forever_from();
    (call, ends)
}

/// The same, and what tells that it waits.
fn forever_from() -> (Forever, Receiver<End>, Arc<Notify>) {
    let (report, reports) = channel();
    let waits = Arc::new(Notify::new());
    let tell = waits.clone();
    let call = cede::call(move || wait_for_ever(&report, &tell));
    // SAFETY: the fixtures' C holds nothing of its thread's, and the closure owns what it uses.
    (Box::pin(unsafe { call.migratable() }), reports, waits)
}

fn wait_for_ever(report: &Sender<End>, waits: &Notify) {
    let frames = Frames::default();
    let (mut first, mut second) = (None, None);
    let code = under_nested_c(&frames, 4, || {
        let waiting = async {
            waits.notify_one();
            pending::<()>().await
        };
        first = cede::callback(waiting).err();
        second = cede::callback(async {}).err();
        -1
    });
    let end = End {
        first,
        second,
        code,
        frames_left: frames.left.into_inner(),
        thread: thread(),
    };
    report.send(end).unwrap();
}

#[test]
fn on_another_thread() {
    let (first, second) = (Hand::new(), Hand::new());
    let (call, ends) = forever();
    let (call, _) = first.poll(call);
    second.run(|| drop(call));
    assert_eq!(ends.try_recv(), Ok(cancelled_on(second.run(thread))));
}

#[test]
fn by_select_timeout_and_abort() {
    let _watchdog = Watchdog::new("select, timeout and abort");
    for runtime in [workers(1), workers(2), current_thread()] {
        runtime.block_on(async {
            let (call, ends) = forever();
            let task = tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = call => unreachable!("waits for ever"),
                    () = tokio::task::yield_now() => thread(),
                }
            });
            let dropped_on = task.await.unwrap();
            assert_eq!(ends.try_recv(), Ok(cancelled_on(dropped_on)));

            let (call, ends) = forever();
            let limited = tokio::spawn(tokio::time::timeout(Duration::from_millis(1), call));
            assert!(limited.await.unwrap().is_err());
            assert_eq!(ends.try_recv().unwrap().code, REFUSED);

            let (call, ends, waits) = forever_from();
            let task = tokio::spawn(call);
            waits.notified().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(ends.recv().unwrap().frames_left, 4);
        });
    }
}

#[test]
fn while_its_task_panics() {
    let hand = Hand::new();
    let (call, ends) = forever();
    let (call, _) = hand.poll(call);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _dropped_by_unwinding = call;
        panic!("the task's own");
    }));
    let payload = unwound.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the task's own"));
    assert_eq!(ends.try_recv(), Ok(cancelled_on(thread())));
}

#[test]
fn a_panic_of_c_s_rust_goes_no_further_than_the_drop() {
    let (first, second) = (Hand::new(), Hand::new());
    let call = || {
        let refused = under_c(|| cede::callback(pending::<()>()));
        panic!("told: {refused:?}");
    };
    // SAFETY: as above.
    let call = Box::pin(unsafe { cede::call(call).migratable() });
    let (call, _) = first.poll(call);
    assert!(second.run(|| catch_unwind(AssertUnwindSafe(|| drop(call))).is_ok()));
}

#[test]
fn when_its_runtime_ends() {
    const CALLS: usize = 50;
    let _watchdog = Watchdog::new("the runtime's end");
    for end in [drop, tokio::runtime::Runtime::shutdown_background] {
        for runtime in [workers(2), current_thread()] {
            let mut all = Vec::new();
            for _ in 0..CALLS {
                let (call, ends) = forever();
                runtime.spawn(call);
                all.push(ends);
            }
            runtime.block_on(async {
                for _ in 0..3 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            end(runtime);
            assert!(eventually(|| {
                all.retain(|ends| ends.try_recv() == Err(TryRecvError::Empty));
                all.is_empty()
            }));
        }
    }
}

/// tokio's budget puts the call off when the answer is there.
#[test]
fn an_answer_that_is_there_is_given() {
    let _watchdog = Watchdog::new("an answer");
    for runtime in [workers(1), current_thread()] {
        let (report, reports) = channel();
        let call = move || {
            let answers = [wait(1), wait(1)];
            report.send(answers).unwrap();
        };
        // SAFETY: as above.
        let mut call = Box::pin(unsafe { cede::call(call).migratable() });
        let task = poll_fn(move |cx| {
            let call = &mut call;
            assert!(call.as_mut().poll(cx).is_pending(), "the callback waits");
            while has_budget_remaining() {
                let _spent = pin!(consume_budget()).poll(cx);
            }
            assert!(call.as_mut().poll(cx).is_pending(), "C is put off");
            Poll::Ready(())
        });
        runtime.block_on(async { tokio::spawn(task).await.unwrap() });
        assert_eq!(reports.try_recv(), Ok([Ok(()), Err(Refused::Cancelled)]));
    }
}

#[test]
fn what_c_holds_is_leaked_if_it_is_forgotten() {
    let hand = Hand::new();
    let (call, ends) = forever();
    let (call, _) = hand.poll(call);
    std::mem::forget(call);
    assert!(ends.try_recv().is_err());
    // The stack is nobody's, and no other call gets it.
    for _ in 0..100 {
        // SAFETY: as above.
        let call = unsafe { cede::call(|| wait(1)).migratable() };
        let (call, _) = hand.poll(Box::pin(call));
        assert!(hand.poll(call).1.is_ready());
    }
}
