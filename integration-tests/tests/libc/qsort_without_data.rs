//! `qsort`, whose comparator is given no data: what it needs is the task's own.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::future::join_all;
use std::cmp::Ordering;
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::Barrier;

/// How one task sorts: by the remainder of a division.
struct Order {
    divisor: u32,
    compared: AtomicUsize,
    /// Where the tasks meet, at their first comparison.
    met: Arc<Barrier>,
}

tokio::task_local!(static ORDER: Arc<Order>);

/// Waits for the other tasks' sorting to have begun, too.
async fn compare(a: u32, b: u32) -> Ordering {
    let order = ORDER.get();
    if order.compared.fetch_add(1, SeqCst) == 0 {
        order.met.wait().await;
    }
    (a % order.divisor).cmp(&(b % order.divisor))
}

unsafe extern "C" fn trampoline(a: *const c_void, b: *const c_void) -> c_int {
    // SAFETY: `qsort` is given numbers of this type.
    let a = unsafe { *a.cast::<u32>() };
    // SAFETY: as above.
    let b = unsafe { *b.cast::<u32>() };
    cede::callback(compare(a, b)).map_or(0, |order| order as c_int)
}

#[test]
fn comparators_of_tasks_that_sort_at_once_know_their_own_order() {
    const DIVISORS: [u32; 4] = [97, 101, 103, 107];

    let _watchdog = Watchdog::new("qsort");
    on_worker(1, async {
        let met = Arc::new(Barrier::new(DIVISORS.len()));
        let tasks = DIVISORS.map(|divisor| {
            let order = Arc::new(Order {
                divisor,
                compared: AtomicUsize::new(0),
                met: met.clone(),
            });
            tokio::spawn(ORDER.scope(order, async {
                // Remainders are all different, so there is one right order.
                let mut numbers: Vec<u32> = (0..90).map(|i| i * 60).collect();
                let (base, count) = (
                    numbers.as_mut_ptr().cast::<c_void>() as usize,
                    numbers.len(),
                );
                cede::call(move || {
                    let base = base as *mut c_void;
                    // SAFETY: the numbers are there until C has returned, and the trampoline is for them.
                    unsafe { libc::qsort(base, count, size_of::<u32>(), Some(trampoline)) }
                })
                .named("qsort")
                .await;
                numbers
            }))
        });
        for (divisor, sorted) in DIVISORS.into_iter().zip(join_all(tasks).await) {
            let mut expected: Vec<u32> = (0..90).map(|i| i * 60).collect();
            expected.sort_by_key(|number| number % divisor);
            assert_eq!(sorted.unwrap(), expected);
        }
    });
}
