//! A panic of a closure waits until C has returned; C gets the fallback from then on.

use super::once;
use cede::{Callback, Refused};
use cede_fixtures::callback::call_n;
use cede_fixtures::nest::{Frames, nest_deep};
use cede_integration_tests::on_worker;
use futures::FutureExt;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, panic_any};
use std::sync::atomic::Ordering::SeqCst;

/// A payload that is known again.
#[derive(Debug, PartialEq, Eq)]
struct Marked(u32);

async fn marked<F: Future>(future: F) -> Marked {
    let panicked = AssertUnwindSafe(future).catch_unwind().await;
    *panicked.err().unwrap().downcast().unwrap()
}

/// Has C call back five times, whatever the answers are, and returns them.
macro_rules! five_times {
    ($callback:expr) => {
        || {
            let callback = $callback;
            (0..5)
                .map(|n| once(callback.data_first(), callback.data(), n))
                .collect::<Vec<_>>()
        }
    };
}

#[test]
fn of_each_kind() {
    on_worker(1, async {
        let answers = |answers: &mut Vec<c_int>, new: Vec<c_int>| *answers = new;
        let mut got = Vec::new();
        let panics = |n: c_int| if n == 1 { panic_any(Marked(1)) } else { n };

        let exclusive = Callback::new(-1, async |n: c_int| {
            tokio::task::yield_now().await;
            panics(n)
        });
        let call = cede::call(|| answers(&mut got, five_times!(&exclusive)()));
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(got, [0, -1, -1, -1, -1]);

        let plain = Callback::new(-1, |n: c_int| std::future::ready(panics(n)));
        let call = cede::call(|| answers(&mut got, five_times!(&plain)()));
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(got, [0, -1, -1, -1, -1]);

        let shared = Callback::shared(-1, async |n: c_int| panics(n));
        let call = cede::call(|| answers(&mut got, five_times!(&shared)()));
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(got, [0, -1, -1, -1, -1]);

        let sendable = Callback::sendable(-1, async |n: c_int| panics(n));
        let call = cede::call(|| answers(&mut got, five_times!(&sendable)()));
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(got, [0, -1, -1, -1, -1]);

        let mut made = 0;
        let makes = Callback::sendable(-1, |n: c_int| {
            made += 1;
            std::future::ready(panics(n))
        });
        let call = cede::call(|| answers(&mut got, five_times!(&makes)()));
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(got, [0, -1, -1, -1, -1]);
        assert_eq!(made, 2, "no future is made in vain");

        let mut ran = 0;
        let leaf = Callback::leaf(-1, |n: c_int| {
            ran += 1;
            panics(n)
        });
        let call = cede::call(|| answers(&mut got, five_times!(&leaf)()));
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(got, [0, -1, -1, -1, -1]);
        assert_eq!(ran, 2, "not entered after its panic");

        let shared = Callback::shared_leaf(-1, panics);
        let call = cede::call(|| answers(&mut got, five_times!(&shared)()));
        assert_eq!(marked(call).await, Marked(1));
        assert_eq!(got, [0, -1, -1, -1, -1]);
    });
}

/// The next call starts anew, with the same callback.
#[test]
fn of_one_call_is_none_of_the_next() {
    on_worker(1, async {
        let mut armed = true;
        let once_bad = Callback::new(-1, async |n: c_int| {
            if std::mem::take(&mut armed) {
                panic_any(Marked(2));
            }
            n
        });
        let call = || once(once_bad.data_first(), once_bad.data(), 5);
        assert_eq!(marked(cede::call(call)).await, Marked(2));
        assert_eq!(cede::call(call).await, 5);

        let mut armed = true;
        let once_bad = Callback::leaf(-1, |n: c_int| {
            if std::mem::take(&mut armed) {
                panic_any(Marked(3));
            }
            n
        });
        let call = || once(once_bad.data_first(), once_bad.data(), 5);
        assert_eq!(marked(cede::call(call)).await, Marked(3));
        assert_eq!(cede::call(call).await, 5);
        assert_eq!(marked(cede::call(|| panic_any(Marked(4)))).await, Marked(4));
    });
}

#[test]
fn of_a_leaf_also_where_c_is_on_another_stack() {
    on_worker(1, async {
        let leaf = Callback::leaf(-1, |_: c_int| panic_any(Marked(5)));
        let call = || once(leaf.data_first(), leaf.data(), 5);
        assert_eq!(marked(cede::call(call).on_thread_stack()).await, Marked(5));
        assert_eq!(marked(cede::call(call).brief()).await, Marked(5));
    });
    cede_integration_tests::on_current_thread(async {
        let leaf = Callback::leaf(-1, |_: c_int| panic_any(Marked(6)));
        let call = move || once(leaf.data_first(), leaf.data(), 5);
        assert_eq!(marked(cede::call(call).suspendable()).await, Marked(6));
    });
}

#[test]
fn every_c_frame_returns_before_it_is_raised() {
    on_worker(1, async {
        for leaf in [false, true] {
            let frames = Frames::default();
            let panics = Callback::leaf(-1, |_: c_int| panic_any(Marked(7)));
            let awaits = Callback::new(-1, async |_: c_int| panic_any(Marked(7)));
            let call = cede::call(|| {
                let (function, data) = if leaf {
                    (panics.data_first(), panics.data())
                } else {
                    (awaits.data_first(), awaits.data())
                };
                // SAFETY: callbacks and frames are there until C has returned.
                unsafe { nest_deep(function, data, 0, &frames, 6) }
            });
            assert_eq!(marked(call).await, Marked(7));
            assert_eq!(frames.entered.load(SeqCst), 6);
            assert_eq!(frames.left.load(SeqCst), 6);
        }
    });
}

/// A leaf outside of a call has nobody to raise its panic: C gets the fallback, and the next entry runs.
#[test]
fn of_a_leaf_outside_of_any_call_goes_no_further() {
    let panics = cede::metrics().panics;
    let mut ran = 0;
    let leaf = Callback::leaf(
        |why: Refused| if why == Refused::Panicked { -3 } else { -4 },
        |n: c_int| {
            ran += 1;
            if n == 0 { panic_any(Marked(8)) } else { n }
        },
    );
    assert_eq!(once(leaf.data_first(), leaf.data(), 0), -3);
    assert_eq!(once(leaf.data_first(), leaf.data(), 6), 6);
    drop(leaf);
    assert_eq!(ran, 2);
    assert!(cede::metrics().panics > panics);
}

#[test]
fn a_thousand_of_them() {
    on_worker(1, async {
        let panics = Callback::new(
            -1,
            async |n: c_int| if n == 3 { panic_any(Marked(9)) } else { n },
        );
        for _ in 0..1000 {
            // SAFETY: the callback is there until C has returned.
            let call = cede::call(|| unsafe { call_n(panics.data_first(), panics.data(), 10) });
            assert_eq!(marked(call).await, Marked(9));
        }
    });
}
