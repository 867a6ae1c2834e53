//! `qsort_r` with a comparator that awaits.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use std::cmp::Ordering;
use std::ffi::{c_int, c_void};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::{mpsc, oneshot};

/// Sorts in C. The comparator runs `compare` as a callback; where that is refused, all are equal.
fn sort<F, Fut>(numbers: &mut [u32], compare: F)
where
    F: Fn(u32, u32) -> Fut,
    Fut: Future<Output = Ordering> + Send,
{
    unsafe extern "C" fn trampoline<F, Fut>(
        a: *const c_void,
        b: *const c_void,
        compare: *mut c_void,
    ) -> c_int
    where
        F: Fn(u32, u32) -> Fut,
        Fut: Future<Output = Ordering> + Send,
    {
        // SAFETY: `sort` hands over a closure of this type.
        let compare = unsafe { &*compare.cast::<F>() };
        // SAFETY: `sort` sorts numbers of this type.
        let a = unsafe { *a.cast::<u32>() };
        // SAFETY: as above.
        let b = unsafe { *b.cast::<u32>() };
        cede::callback(compare(a, b)).map_or(0, |order| order as c_int)
    }
    let (base, count) = (numbers.as_mut_ptr().cast(), numbers.len());
    let compare = (&raw const compare).cast_mut().cast();
    let trampoline = Some(trampoline::<F, Fut> as _);
    // SAFETY: numbers and closure are there until C has returned, and the trampoline is for them.
    unsafe { libc::qsort_r(base, count, size_of::<u32>(), trampoline, compare) };
}

/// Numbers in disorder, the same every time, and in order.
fn numbers() -> (Vec<u32>, Vec<u32>) {
    let disorder: Vec<u32> = (0..500_u32)
        .map(|i| i.wrapping_mul(2_654_435_761))
        .collect();
    let mut order = disorder.clone();
    order.sort_unstable();
    (disorder, order)
}

#[test]
fn a_comparator_awaits_another_task_of_the_same_worker() {
    let _watchdog = Watchdog::new("qsort_r");
    on_worker(1, async {
        let (ask, mut asked) = mpsc::channel::<(u32, u32, oneshot::Sender<Ordering>)>(1);
        let judge = tokio::spawn(async move {
            let mut answers = 0;
            while let Some((a, b, answer)) = asked.recv().await {
                answers += 1;
                answer.send(a.cmp(&b)).unwrap();
            }
            answers
        });
        let compare = |a, b| {
            let ask = ask.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                ask.send((a, b, answer)).await.unwrap();
                answered.await.unwrap()
            }
        };
        let (mut numbers, order) = numbers();
        cede::call(|| sort(&mut numbers, compare))
            .named("qsort_r")
            .await;
        assert_eq!(numbers, order);
        drop(ask);
        let answers = judge.await.unwrap();
        assert!(answers >= order.len() - 1, "{answers} comparisons");
    });
}

#[test]
fn a_comparator_that_panics_is_not_asked_again_and_c_returns_first() {
    on_worker(1, async {
        let (mut sorted, order) = numbers();
        let asked = AtomicUsize::new(0);
        let compare = |a: u32, b| {
            // Made under C, polled by the task: after the panic it is made in vain.
            let asked = &asked;
            async move {
                assert!(asked.fetch_add(1, SeqCst) < 10, "enough compared");
                a.cmp(&b)
            }
        };
        let call = cede::call(|| sort(&mut sorted, compare)).named("qsort_r");
        let panic = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"enough compared"));
        assert_eq!(asked.into_inner(), 11);
        sorted.sort_unstable();
        assert_eq!(sorted, order, "C has lost no number");
    });
}
