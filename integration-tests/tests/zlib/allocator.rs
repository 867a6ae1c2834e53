//! An allocator that awaits: C waits for memory until another task gives some back.

use crate::stream::{Source, Stream};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use libz_sys::Z_MEM_ERROR;
use std::ffi::{c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::{Notify, Semaphore};

/// Memory that tasks share, and wait for when it is short.
pub(crate) struct Budget {
    bytes: Semaphore,
    short: Notify,
    /// How many more allocations are granted before one panics.
    luck: AtomicUsize,
}

impl Budget {
    pub(crate) const PLENTY: usize = 64 << 20;

    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: Semaphore::new(bytes),
            short: Notify::new(),
            luck: AtomicUsize::new(usize::MAX),
        })
    }

    async fn take(&self, bytes: u32) {
        assert!(self.luck.fetch_sub(1, SeqCst) > 0, "out of luck");
        if self.bytes.available_permits() < bytes as usize {
            self.short.notify_one();
        }
        self.bytes.acquire_many(bytes).await.unwrap().forget();
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            alloc,
            free,
            data: (&raw const *self).cast_mut().cast(),
            lifetime: PhantomData,
        }
    }
}

/// Before each block: its size, in as much room as keeps the block aligned.
const HEADER: usize = 16;

unsafe extern "C" fn alloc(budget: *mut c_void, items: c_uint, size: c_uint) -> *mut c_void {
    // SAFETY: `source` hands over the budget, which outlives the stream.
    let budget = unsafe { &*budget.cast::<Budget>() };
    let bytes = items * size;
    if cede::callback(budget.take(bytes)).is_err() {
        return null_mut();
    }
    // SAFETY: not of size zero.
    let block = unsafe { libc::malloc(HEADER + bytes as usize) };
    assert!(!block.is_null());
    // SAFETY: the block begins with the header.
    unsafe { block.cast::<u32>().write(bytes) };
    // SAFETY: the block goes on behind the header.
    unsafe { block.byte_add(HEADER) }
}

unsafe extern "C" fn free(budget: *mut c_void, block: *mut c_void) {
    // SAFETY: as in `alloc`.
    let budget = unsafe { &*budget.cast::<Budget>() };
    // SAFETY: `alloc` has put a header before the block.
    let block = unsafe { block.byte_sub(HEADER) };
    // SAFETY: as above.
    let bytes = unsafe { block.cast::<u32>().read() };
    // SAFETY: it came from `malloc`, and zlib frees it once.
    unsafe { libc::free(block) };
    budget.bytes.add_permits(bytes as usize);
}

/// Makes a compressor in C.
async fn compressor(budget: &Budget) -> Result<Stream<'_>, c_int> {
    // SAFETY: the allocator is as zlib expects, and for any thread.
    let call = cede::call(|| unsafe { Stream::compress(&budget.source()) });
    call.named("deflateInit").await
}

/// What a compressor takes.
async fn need() -> usize {
    let budget = Budget::new(Budget::PLENTY);
    let stream = compressor(&budget).await.unwrap();
    let need = Budget::PLENTY - budget.bytes.available_permits();
    drop(stream);
    need
}

#[test]
fn c_waits_for_memory_that_a_task_of_the_same_worker_gives_back() {
    let _watchdog = Watchdog::new("allocator");
    on_worker(1, async {
        // Enough for one of them.
        let enough = need().await * 3 / 2;
        let budget = Budget::new(enough);
        let first = compressor(&budget).await.unwrap();
        let second = tokio::spawn({
            let budget = budget.clone();
            async move { compressor(&budget).await.map(drop) }
        });
        budget.short.notified().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!(budget.bytes.available_permits(), enough);
    });
}

#[test]
fn a_panic_in_the_allocator_is_out_of_memory_to_c() {
    on_worker(1, async {
        let budget = Budget::new(Budget::PLENTY);
        budget.luck.store(3, SeqCst);
        let mut code = None;
        let call = cede::call(|| {
            // SAFETY: the allocator is as zlib expects, and for any thread.
            code = unsafe { Stream::compress(&budget.source()) }.err();
        });
        let panic = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"out of luck"));
        assert_eq!(code, Some(Z_MEM_ERROR));
        let left = budget.bytes.available_permits();
        assert_eq!(left, Budget::PLENTY, "zlib has freed what it had");
        budget.luck.store(usize::MAX, SeqCst);
        drop(compressor(&budget).await.unwrap());
    });
}
