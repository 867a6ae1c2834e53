//! A C library with threads of its own, which call back and wait for the answer: here an admission that awaits a
//! semaphore and a timer. Eight threads of C's, on a runtime with one worker.
//!
//! The library is a function of this repository's own, `native/fixtures/c/foreign.c`, which stands for one that you have.

use cede_fixtures::foreign;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Lets three in at a time, for a millisecond each.
async fn admit(doors: Arc<Semaphore>, inside: Arc<AtomicUsize>) -> c_int {
    let Ok(_door) = doors.acquire().await else {
        return -1;
    };
    assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
    tokio::time::sleep(Duration::from_millis(1)).await;
    inside.fetch_sub(1, Ordering::SeqCst);
    1
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let doors = Arc::new(Semaphore::new(3));
    let inside = Arc::new(AtomicUsize::new(0));

    // -1 is what C gets if there is no answer: it comes late, or the runtime is gone, or `admit` panics.
    let registered = cede::Registered::new(-1, move |visitor: c_int| {
        // On C's thread: take from the arguments what the future needs. The future is a task on this runtime.
        let admission = admit(doors.clone(), inside.clone());
        async move { if visitor >= 0 { admission.await } else { -1 } }
    });

    // C starts eight threads, each of which calls back ten times, and joins them.
    let (function, data) = (registered.data_first(), registered.data().addr());
    let admitted = tokio::spawn(cede::call(move || {
        let data = std::ptr::without_provenance_mut(data);
        // SAFETY: the function may be called on any thread, with any data.
        unsafe { foreign::run(function, data, 8, 10) }
    }));
    let admitted = admitted.await.expect("C does not panic");
    println!("{admitted} visitors of eight threads were admitted, three at a time");
    assert_eq!(admitted, 80);

    // No callback begins from here on; this waits for those that have begun.
    registered.close().await;
    let late = function(std::ptr::without_provenance_mut(data), 81);
    println!("one that came late got {late}");
    assert_eq!(late, -1);
}

#[test]
fn runs() {
    main();
}
