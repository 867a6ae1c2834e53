//! What a thread allocates and frees.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

/// To be the `#[global_allocator]` of a test: the system's, which counts for each thread.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    // Without a destructor, and so there at all times.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: by this function's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: by this function's contract.
        unsafe { System.dealloc(at, layout) };
    }
}

/// What `f` returns, and how often this thread has allocated or freed meanwhile.
pub fn counted<R>(f: impl FnOnce() -> R) -> (R, u64) {
    let before = COUNT.get();
    let returned = f();
    (returned, COUNT.get() - before)
}

/// # Panics
///
/// If [`Counting`] is not the allocator.
pub fn assert_counting() {
    let allocate_and_free = || drop(black_box(Box::new(1)));
    assert_eq!(counted(allocate_and_free), ((), 2));
}
