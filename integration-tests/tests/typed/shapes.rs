//! Structs pass by value and by address, both ways.

use cede::{Callback, SendPtr};
use cede_fixtures::shape::{Block, Pair, block, block_pointer, pair};
use cede_integration_tests::on_worker;

const NO_PAIR: Pair = Pair {
    whole: -1,
    part: 0.0,
};
const NO_BLOCK: Block = Block { words: [-1; 5] };

#[test]
fn a_struct_in_registers() {
    on_worker(1, async {
        let doubles = Callback::new(NO_PAIR, async |Pair { whole, part }: Pair| {
            tokio::task::yield_now().await;
            Pair {
                whole: 2 * whole,
                part: 2.0 * part,
            }
        });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { pair(doubles.data_last(), doubles.data()) });
        let expected = Pair {
            whole: 14,
            part: 0.5,
        };
        assert_eq!(call.await, expected);
    });
}

#[test]
fn a_struct_in_memory() {
    on_worker(1, async {
        let reverses = Callback::new(NO_BLOCK, async |Block { mut words }: Block| {
            tokio::task::yield_now().await;
            words.reverse();
            Block { words }
        });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { block(reverses.data_first(), reverses.data()) });
        assert_eq!(call.await.words, [5, 4, 3, 2, 1]);
    });
}

#[test]
fn a_struct_by_address() {
    on_worker(1, async {
        let writes = Callback::new((), async |block: *mut Block| {
            tokio::task::yield_now().await;
            // SAFETY: C passes a block of its own, and waits.
            unsafe { (*block).words[0] = 9 };
        });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { block_pointer(writes.data_last(), writes.data()) });
        assert_eq!(call.await.words, [9, 2, 3, 4, 5]);
    });
}

#[test]
fn an_address_that_may_cross_threads() {
    on_worker(1, async {
        let writes = Callback::sendable((), |block: *mut Block| {
            let block = SendPtr::from(block);
            async move {
                tokio::task::yield_now().await;
                // SAFETY: C passes a block of its own, and waits.
                unsafe { (*block.get()).words[1] = 9 };
            }
        });
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { block_pointer(writes.data_last(), writes.data()) });
        assert_eq!(call.await.words, [1, 9, 3, 4, 5]);
    });
}

/// It is transparent: what takes it may be declared as what takes the pointer.
#[test]
fn a_pointer_that_stands_in_the_signature() {
    on_worker(1, async {
        let writes = Callback::sendable((), async |block: SendPtr<Block>| {
            tokio::task::yield_now().await;
            // SAFETY: C passes a block of its own, and waits.
            unsafe { (*block.get()).words[2] = 9 };
        });
        let function: unsafe extern "C" fn(SendPtr<Block>, *mut std::ffi::c_void) =
            writes.data_last();
        // SAFETY: the types differ in a transparent wrapper.
        let function: unsafe extern "C" fn(*mut Block, *mut std::ffi::c_void) =
            unsafe { std::mem::transmute(function) };
        // SAFETY: the callback is there until C has returned.
        let call = cede::call(|| unsafe { block_pointer(function, writes.data()) });
        assert_eq!(call.await.words, [1, 2, 9, 4, 5]);
    });
}
