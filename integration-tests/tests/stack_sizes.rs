//! C has as much stack as was asked for, and an absurd wish is refused clearly.

use cede_fixtures::deep::{checksum, recurse_bytes};
use cede_fixtures::plain::empty;
use cede_integration_tests::{on_worker, under_c};
use std::panic::catch_unwind;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Uses so many bytes of stack.
fn deep(bytes: usize) {
    // SAFETY: a C stack ends in a guard page.
    let sum = unsafe { recurse_bytes(bytes) };
    assert_eq!(sum, checksum(bytes));
}

#[test]
fn all_of_it_can_be_used() {
    on_worker(1, async {
        cede::call(|| deep(3 * MIB / 2)).await;
        let sizes = [
            64 * KIB,
            65 * KIB,
            256 * KIB,
            257 * KIB,
            2 * MIB,
            3 * MIB,
            8 * MIB,
            9 * MIB,
            64 * MIB,
        ];
        for asked in sizes {
            // What is left is for the frames of Rust and libc around it, and for the last frame of the recursion.
            cede::call(|| deep(asked - asked / 4))
                .stack_size(asked)
                .await;
            cede::call(|| under_c(|| cede::callback(async {})))
                .stack_size(asked)
                .await
                .unwrap();
        }
        cede::call(|| deep(12 * MIB)).stack_size(16 * MIB).await;
    });
}

#[test]
fn zero_is_the_smallest() {
    on_worker(1, async {
        cede::call(|| deep(32 * KIB)).stack_size(0).await;
        assert_eq!(cede::call(|| empty(1)).stack_size(1).await, 2);
    });
}

/// The largest is address space, of which only what C touches is committed.
#[test]
fn a_gibibyte_is_the_largest() {
    on_worker(1, async {
        cede::call(|| deep(16 * MIB)).stack_size(1 << 30).await;
    });
}

#[test]
fn more_than_the_largest_panics_at_once() {
    for bytes in [(1 << 30) + 1, usize::MAX] {
        let refused = catch_unwind(|| drop(cede::call(|| ()).stack_size(bytes)));
        let message = *refused.unwrap_err().downcast::<String>().unwrap();
        assert!(
            message.contains("stack_size") && message.contains(&bytes.to_string()),
            "{message}"
        );
    }
}

#[test]
fn stacks_are_used_again() {
    on_worker(1, async {
        for round in 0..3_000 {
            cede::call(|| deep(40 * KIB)).stack_size(64 * KIB).await;
            if round % 100 == 0 {
                cede::call(|| deep(MIB)).await;
            }
        }
    });
}
