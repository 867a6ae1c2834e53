//! An allocator that awaits: Lua waits for memory until another task gives some back.

use crate::state::State;
use cede_fixtures_lua::LUA_ERRMEM;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use std::ffi::c_void;
use std::panic::AssertUnwindSafe;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::{Notify, Semaphore};

/// Memory that states share, and wait for when it is short.
struct Budget {
    bytes: Semaphore,
    short: Notify,
    is_cursed: AtomicBool,
}

impl Budget {
    fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: Semaphore::new(bytes),
            short: Notify::new(),
            is_cursed: AtomicBool::new(false),
        })
    }

    async fn take(&self, bytes: usize) {
        assert!(!self.is_cursed.load(SeqCst), "a curse");
        if self.bytes.available_permits() < bytes {
            self.short.notify_one();
        }
        let taken = self.bytes.acquire_many(bytes as u32).await;
        taken.unwrap().forget();
    }
}

unsafe extern "C" fn alloc(
    budget: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `state` hands over the budget, which outlives the state.
    let budget = unsafe { &*budget.cast::<Budget>() };
    // Where there is no block, `old` says what it will be for.
    let old = if block.is_null() { 0 } else { old };
    // What makes a block smaller, or frees it, must not fail.
    if new > old && cede::callback(budget.take(new - old)).is_err() {
        return null_mut();
    }
    budget.bytes.add_permits(old.saturating_sub(new));
    if new == 0 {
        // SAFETY: from `realloc` below, or null.
        unsafe { libc::free(block) };
        return null_mut();
    }
    // SAFETY: as above.
    let block = unsafe { libc::realloc(block, new) };
    assert!(!block.is_null());
    block
}

/// A state, made in C. The budget has to outlive it.
async fn state(budget: &Arc<Budget>) -> Option<State> {
    let data = Arc::as_ptr(budget).cast_mut().cast::<c_void>() as usize;
    // SAFETY: the allocator is as Lua expects, and for any thread.
    cede::call(|| unsafe { State::with(alloc, data as *mut c_void) }).await
}

const PLENTY: usize = 64 << 20;
/// Keeps two megabytes.
const HOARD: &str = "hoard = string.rep('x', 2 << 20); return #hoard";

#[test]
fn lua_waits_for_memory_that_another_task_gives_back() {
    let _watchdog = Watchdog::new("allocator");
    on_worker(1, async {
        // Enough for two states with one hoard, which takes twice as much while it is made.
        let budget = Budget::new(5 << 20);
        let mut first = state(&budget).await.unwrap();
        assert_eq!(first.run(HOARD).await, Ok(2 << 20));
        let second = tokio::spawn({
            let budget = budget.clone();
            async move {
                let mut second = state(&budget).await.unwrap();
                let outcome = second.run(HOARD).await;
                drop(second);
                drop(budget);
                outcome
            }
        });
        budget.short.notified().await;
        assert!(!second.is_finished());
        drop(first);
        assert_eq!(second.await.unwrap(), Ok(2 << 20));
        assert_eq!(budget.bytes.available_permits(), 5 << 20);
    });
}

#[test]
fn a_panic_or_refusal_is_out_of_memory_to_lua() {
    on_worker(1, async {
        let budget = Budget::new(PLENTY);
        let mut lua = state(&budget).await.unwrap();
        budget.is_cursed.store(true, SeqCst);
        let panic = AssertUnwindSafe(lua.run(HOARD)).catch_unwind().await;
        let panic = panic.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a curse"));
        budget.is_cursed.store(false, SeqCst);

        let failure = lua.raw().run(HOARD).unwrap_err();
        assert_eq!(failure.status, LUA_ERRMEM);
        assert!(failure.message.contains("not enough memory"), "{failure:?}");

        assert_eq!(lua.run(HOARD).await, Ok(2 << 20), "the state goes on");
        drop(lua);
        let left = budget.bytes.available_permits();
        assert_eq!(left, PLENTY, "Lua has freed what it had");
    });
}

#[test]
fn a_state_that_is_refused_its_memory_is_not_made() {
    let budget = Budget::new(PLENTY);
    let data = Arc::as_ptr(&budget).cast_mut().cast();
    // SAFETY: the allocator is as Lua expects.
    assert!(unsafe { State::with(alloc, data) }.is_none());
    assert_eq!(budget.bytes.available_permits(), PLENTY);
}
