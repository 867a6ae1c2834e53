//! What a closure costs as a callback, beside the primitive and beside C calling a plain function.

use std::ffi::{c_int, c_long, c_void};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use cede::Callback;
use cede::typed::Signature;
use cede_fixtures::callback::call_n;

/// So many callbacks in one call, whose own cost is a small part of the figure.
pub(crate) const CALLBACKS: u32 = 1000;

/// No callback of ours: C calls a function that C might have, in the same call.
pub(crate) async fn plain(n: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        // SAFETY: `add_one` takes any user data and does not unwind.
        check(cede::call(|| unsafe { call_n(add_one, null_mut(), CALLBACKS as c_int) }).await);
    }
    start.elapsed()
}

pub(crate) async fn typed(n: u32) -> Duration {
    let one = std::hint::black_box(1);
    let each = Callback::new(cede_fixtures::REFUSED, async |arg: c_int| arg + one);
    let start = Instant::now();
    for _ in 0..n {
        check(cede::call(|| count(&each)).await);
    }
    start.elapsed()
}

pub(crate) async fn leaf(n: u32) -> Duration {
    let one = std::hint::black_box(1);
    let each = Callback::leaf(cede_fixtures::REFUSED, |arg: c_int| arg + one);
    let start = Instant::now();
    for _ in 0..n {
        check(cede::call(|| count(&each)).await);
    }
    start.elapsed()
}

/// Has C call back so many times.
fn count<K, D>(each: &Callback<K, D, (c_int,)>) -> c_long
where
    (c_int,): Signature<K, D, DataFirst = cede_fixtures::Callback>,
{
    // SAFETY: the callback is there until C has returned, and is called on this thread.
    unsafe { call_n(each.data_first(), each.data(), CALLBACKS as c_int) }
}

unsafe extern "C" fn add_one(_: *mut c_void, arg: c_int) -> c_int {
    std::hint::black_box(arg) + 1
}

fn check(sum: c_long) {
    assert_eq!(sum, c_long::from(CALLBACKS * (CALLBACKS + 1) / 2));
}
