//! Every arity in every position reaches its closure with the right arguments.

use cede::Callback;
use cede_fixtures::arity::*;
use cede_integration_tests::on_worker;
use std::ffi::{c_int, c_long, c_void};

/// The arguments as decimal digits.
fn digits(arguments: &[c_int]) -> c_long {
    arguments
        .iter()
        .fold(0, |number, &digit| 10 * number + c_long::from(digit))
}

macro_rules! arity {
    ($name:ident $first:ident $last:ident $bare:ident $expected:literal ($($a:ident)*)) => {
        #[test]
        fn $name() {
            on_worker(1, async {
                let mut seen = 0;
                let awaits = Callback::new(-1, async |$($a: c_int),*| {
                    tokio::task::yield_now().await;
                    seen += 1;
                    digits(&[$($a),*])
                });
                // SAFETY: the callback is there until C has returned.
                let call = cede::call(|| unsafe { $first(awaits.data_first(), awaits.data()) });
                assert_eq!(call.await, $expected);
                // SAFETY: as above.
                let call = cede::call(|| unsafe { $last(awaits.data_last(), awaits.data()) });
                assert_eq!(call.await, $expected);
                // SAFETY: as above.
                let call = cede::call(|| awaits.bare(|function| unsafe { $bare(function) }));
                assert_eq!(call.await, $expected);
                assert_eq!(seen, 3);

                let shared = Callback::shared(-1, async |$($a: c_int),*| digits(&[$($a),*]));
                // SAFETY: as above.
                let call = cede::call(|| unsafe { $last(shared.data_last(), shared.data()) });
                assert_eq!(call.await, $expected);
                let sends = Callback::sendable(-1, |$($a: c_int),*| async move { digits(&[$($a),*]) });
                // SAFETY: as above.
                let call = cede::call(|| unsafe { $last(sends.data_last(), sends.data()) });
                assert_eq!(call.await, $expected);

                let leaf = Callback::leaf(-1, |$($a: c_int),*| digits(&[$($a),*]));
                // SAFETY: as above.
                assert_eq!(unsafe { $first(leaf.data_first(), leaf.data()) }, $expected);
                // SAFETY: as above.
                assert_eq!(unsafe { $last(leaf.data_last(), leaf.data()) }, $expected);
                // SAFETY: as above.
                assert_eq!(leaf.bare(|function| unsafe { $bare(function) }), $expected);
                let leaf = Callback::shared_leaf(-1, |$($a: c_int),*| digits(&[$($a),*]));
                // SAFETY: as above.
                assert_eq!(unsafe { $first(leaf.data_first(), leaf.data()) }, $expected);
            });
        }
    };
}

arity!(none first_0 last_0 bare_0 0 ());
arity!(one first_1 last_1 bare_1 1 (a));
arity!(two first_2 last_2 bare_2 12 (a b));
arity!(three first_3 last_3 bare_3 123 (a b c));
arity!(four first_4 last_4 bare_4 1234 (a b c d));
arity!(five first_5 last_5 bare_5 12345 (a b c d e));
arity!(six first_6 last_6 bare_6 123_456 (a b c d e f));
arity!(seven first_7 last_7 bare_7 1_234_567 (a b c d e f g));
arity!(eight first_8 last_8 bare_8 12_345_678 (a b c d e f g h));

#[test]
fn user_data_within_an_argument() {
    /// As libraries have it that pass a context of theirs.
    #[repr(C)]
    struct Context {
        number: c_int,
        user_data: *mut c_void,
    }
    unsafe extern "C" fn library(
        function: unsafe extern "C" fn(*mut Context, c_int) -> c_int,
        user_data: *mut c_void,
    ) -> c_int {
        let mut context = Context {
            number: 40,
            user_data,
        };
        // SAFETY: the contract of a callback is the caller's to keep.
        unsafe { function(&mut context, 2) }
    }
    on_worker(1, async {
        let adds = Callback::new(-1, async |context: *mut Context, more: c_int| {
            tokio::task::yield_now().await;
            // SAFETY: `library` passes one.
            unsafe { (*context).number + more }
        });
        // SAFETY: `library` passes a context.
        let function = adds.data_in(|&(context, _)| unsafe { (*context).user_data });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { library(function, adds.data()) });
        assert_eq!(call.await, 42);
    });
}

#[test]
fn user_data_stays_where_it_is_when_the_callback_moves() {
    let adds = Callback::leaf(-1, |n: c_int| n + 1);
    let data = adds.data();
    let moved = Box::new(adds);
    assert_eq!(moved.data(), data);
    assert_eq!(super::once(moved.data_first(), data, 1), 2);
}
