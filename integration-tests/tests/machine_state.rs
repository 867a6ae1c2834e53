//! C finds the processor as the calling convention says, on whatever stack it runs, and after a callback as it has left it:
//! aligned stack, registers, rounding.

use cede_fixtures::{Callback, bridge, machine};
use cede_integration_tests::{later, on_current_thread, on_worker};
use std::ffi::{c_int, c_void};
use std::hint::black_box;

/// What a compiler uses aligned instructions for.
#[repr(align(16))]
struct Aligned([u8; 64]);

/// How far a local of Rust's is off its alignment.
#[inline(never)]
fn misaligned() -> usize {
    let aligned = Aligned([1; 64]);
    black_box(&raw const aligned.0).addr() & 15
}

type AcrossCallback = unsafe extern "C" fn(Callback, *mut c_void, c_int) -> c_int;

/// What C reports of a callback, in which Rust uses registers and stack, and makes a call.
fn across(fixture: AcrossCallback, waits: bool) -> impl FnOnce() -> c_int + Send + 'static {
    move || {
        let mut f = |_: c_int| {
            assert_eq!(misaligned(), 0, "under C");
            let answer = cede::callback(async {
                assert_eq!(misaligned(), 0, "in a callback");
                if waits {
                    later().await;
                }
                let inner = cede::call(|| {
                    assert_eq!(misaligned(), 0, "in a call");
                    black_box([3_u64; 32]).iter().sum::<u64>()
                });
                inner.await
            });
            assert_eq!(answer, Ok(96));
            0
        };
        let (cb, ud) = bridge(&mut f);
        // SAFETY: `f` outlives the call.
        unsafe { fixture(cb, ud, 0) }
    }
}

/// In each way to run C, with callbacks that are ready and, where they may wait, that are not.
async fn everywhere(fixture: AcrossCallback, expected: c_int, may_park: bool) {
    for waits in [false, true] {
        if may_park || !waits {
            assert_eq!(cede::call(across(fixture, waits)).await, expected);
            assert_eq!(cede::call(across(fixture, waits)).brief().await, expected);
            assert_eq!(cede::call(across(fixture, waits)).long().await, expected);
            assert_eq!(
                cede::call(across(fixture, waits)).stack_size(0).await,
                expected
            );
            assert_eq!(
                cede::call(across(fixture, waits))
                    .stack_size(20 << 20)
                    .await,
                expected
            );
            assert_eq!(
                cede::call(across(fixture, waits)).on_thread_stack().await,
                expected
            );
            assert_eq!(
                cede::scope(cede::call(across(fixture, waits))).await,
                expected
            );
        }
        assert_eq!(
            cede::call(across(fixture, waits)).suspendable().await,
            expected
        );
    }
}

fn on_every_thread(fixture: AcrossCallback, expected: c_int) {
    on_worker(1, everywhere(fixture, expected, true));
    on_current_thread(everywhere(fixture, expected, false));
}

#[test]
fn the_stack_is_aligned() {
    on_every_thread(machine::misalignment, 0);
}

#[test]
fn registers_are_kept_across_callbacks() {
    on_every_thread(machine::registers_across, 0);
}

/// Where the thread parks, nobody else comes between. Calls that are suspended share the thread's rounding as they share
/// all that is a thread's.
#[test]
fn rounding_is_kept_across_callbacks() {
    on_every_thread(machine::rounding_across, 1);
}

/// The callers of a call, too, find their registers and their alignment again.
#[test]
fn the_caller_finds_its_own() {
    fn calls() -> impl FnOnce() -> c_int + Send {
        || {
            let mut f = |_: c_int| {
                futures::executor::block_on(cede::call(across(machine::registers_across, false)))
            };
            let (cb, ud) = bridge(&mut f);
            // SAFETY: `f` outlives the call.
            unsafe { machine::registers_across(cb, ud, 0) }
        }
    }
    assert_eq!(calls()(), 0);
    on_worker(1, async {
        assert_eq!(cede::call(calls()).await, 0);
        assert_eq!(misaligned(), 0);
    });
}
