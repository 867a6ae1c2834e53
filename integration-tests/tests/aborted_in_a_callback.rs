//! A task that is cancelled while a callback of a plain call waits: the callback gets its answer, C runs to its end, and only
//! then is the task gone.

use cede_fixtures::nest::Frames;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{under_c, under_nested_c, workers};
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// What a call has come to, seen from outside of its task.
#[derive(Default)]
struct Course {
    frames: Frames,
    /// A callback waits.
    waits: Notify,
    /// What it waits for.
    answer: Notify,
    result: std::sync::Mutex<Option<c_int>>,
    goes_on: AtomicBool,
}

impl Course {
    /// Five C frames, whose innermost waits for the answer.
    fn run(&self) -> Arc<()> {
        let result = under_nested_c(&self.frames, 5, || {
            let asks = async {
                self.waits.notify_one();
                self.answer.notified().await;
                7
            };
            cede::callback(asks).unwrap_or(-1)
        });
        *self.result.lock().unwrap() = Some(result);
        Arc::new(())
    }

    fn is_through(&self) {
        assert_eq!(*self.result.lock().unwrap(), Some(7), "not refused");
        assert_eq!(self.frames.left.load(Ordering::SeqCst), 5);
    }
}

#[test]
fn by_abort() {
    let _watchdog = Watchdog::new("a task that is aborted in a callback");
    for count in [1, 2] {
        workers(count).block_on(async {
            let course = Arc::new(Course::default());
            let task = tokio::spawn({
                let course = course.clone();
                async move {
                    let owned = cede::call(|| course.run()).await;
                    tokio::task::yield_now().await;
                    course.goes_on.store(true, Ordering::SeqCst);
                    drop(owned);
                }
            });
            course.waits.notified().await;
            task.abort();
            tokio::task::yield_now().await;
            assert!(!task.is_finished(), "C is in the midst of it");
            course.answer.notify_one();
            assert!(task.await.unwrap_err().is_cancelled());
            course.is_through();
            assert!(!course.goes_on.load(Ordering::SeqCst));
        });
    }
}

/// The time is up long before C returns. That there is a result is for the caller to find; none is lost.
#[test]
fn by_a_timeout() {
    let _watchdog = Watchdog::new("a timeout in a callback");
    for count in [1, 2] {
        workers(count).block_on(async {
            let course = Arc::new(Course::default());
            let task = tokio::spawn({
                let course = course.clone();
                async move {
                    let call = cede::call(|| course.run());
                    let outcome = tokio::time::timeout(Duration::from_millis(1), call).await;
                    course.is_through();
                    outcome.map_or(1, |owned| Arc::strong_count(&owned))
                }
            });
            course.waits.notified().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(!task.is_finished(), "C is in the midst of it");
            course.answer.notify_one();
            assert_eq!(task.await.unwrap(), 1);
        });
    }
}

/// What waits is a callback of a call under a callback.
#[test]
fn with_a_call_under_the_callback() {
    let _watchdog = Watchdog::new("a task that is aborted under a callback of a callback");
    workers(1).block_on(async {
        let course = Arc::new(Course::default());
        let task = tokio::spawn({
            let course = course.clone();
            async move {
                let call = cede::call(|| {
                    under_c(|| cede::callback(async { cede::call(|| course.run()).await }))
                });
                call.await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        course.waits.notified().await;
        task.abort();
        course.answer.notify_one();
        assert!(task.await.unwrap_err().is_cancelled());
        course.is_through();
    });
}

/// The callback itself aborts its task; what it awaits afterwards is still polled.
#[test]
fn by_itself() {
    let _watchdog = Watchdog::new("a callback that aborts its own task");
    workers(1).block_on(async {
        let (send, handle) = oneshot::channel::<tokio::task::AbortHandle>();
        let answers = Arc::new(std::sync::Mutex::new(None));
        let task = tokio::spawn({
            let answers = answers.clone();
            async move {
                let handle = handle.await.unwrap();
                cede::call(|| {
                    let answer = under_c(|| {
                        cede::callback(async {
                            handle.abort();
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            5
                        })
                    });
                    *answers.lock().unwrap() = Some(answer);
                })
                .await;
                tokio::task::yield_now().await;
                unreachable!("cancelled where it yields, if not before");
            }
        });
        send.send(task.abort_handle()).unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(*answers.lock().unwrap(), Some(Ok(5)));
    });
}
