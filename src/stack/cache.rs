//! Idle stacks: a few for each thread, without a lock; then a pool for all.

use super::class::{COUNT, DEFAULT_SIZE, Size};
use super::machine::Stack;
use super::mapping::{PAGE, is_resident};
use super::overflow::{self, AlternateStack, Describe};
use crate::config;
use crate::sync::lock;
use std::cell::{Cell, RefCell};
use std::io;
use std::ptr::null;
use std::sync::Mutex;

/// Stacks that a thread keeps of each class. Guessed: the depth of nesting that is common.
const PER_THREAD: usize = 8;

/// How much of an idle stack stays committed. Measured high-water marks: SQLite 15 KiB, curl with TLS 18, getaddrinfo 20,
/// libgit2 78.
const WATERMARK: usize = 128 << 10;

/// A thread looks at the depth of one in so many stacks that it keeps: a look is a system call, which takes as long as 25 to 50
/// calls of nothing.
const LOOK_EVERY: u32 = 1024;

static POOL: Mutex<[Vec<Stack>; COUNT]> = Mutex::new([const { Vec::new() }; COUNT]);

thread_local! {
    static CACHE: Cache = Cache {
        shelf: const { Shelf::new() },
        stacks: const { RefCell::new([const { Vec::new() }; COUNT]) },
        kept: const { Cell::new(0) },
        _alternate: AlternateStack::ensure(),
    };

    /// Points to `CACHE` while that is alive. A thread-local without a destructor is reached by one instruction.
    static CACHE_HERE: Cell<*const Cache> = const { Cell::new(null()) };
}

struct Cache {
    /// Stacks of the default size, for the calls that ask for nothing.
    shelf: Shelf,
    /// Stacks of each class, beyond the shelf's.
    stacks: RefCell<[Vec<Stack>; COUNT]>,
    kept: Cell<u32>,
    /// A guard that is hit can be reported only on a stack other than the one that is full.
    _alternate: AlternateStack,
}

/// A stack of the size that nearly every call wants, idle, if `bytes` is that size and the thread has one.
#[inline]
pub(crate) fn at_hand(bytes: u32) -> Option<Stack> {
    match here() {
        Some(cache) if bytes == DEFAULT_SIZE => cache.shelf.take(),
        _ => None,
    }
}

/// Takes back a stack that has nothing to run.
#[inline]
pub(crate) fn release(stack: Stack) {
    match here() {
        Some(cache) if stack.is_default() && cache.shelf.has_room() => {
            cache.count(&stack);
            cache.shelf.put(stack);
        }
        cache => release_cold(cache, stack),
    }
}

#[inline]
fn here<'a>() -> Option<&'a Cache> {
    // SAFETY: null, or this thread's cache, which is there until the thread's destructors run. The callers are done with
    // the reference before they return to code that could be such a destructor's caller.
    unsafe { CACHE_HERE.get().as_ref() }
}

/// A stack that holds `bytes`, idle, when none was [`at_hand`]. `describe` names the running call when a stack overflows.
///
/// # Errors
///
/// If the kernel has no more address space or mappings to give.
#[cold]
pub(crate) fn acquire(bytes: u32, describe: Describe) -> io::Result<Stack> {
    overflow::install(describe);
    let size = Size::holding(bytes as usize);
    let here = CACHE.try_with(|cache| {
        CACHE_HERE.set(cache);
        cache
            .stacks
            .try_borrow_mut()
            .ok()
            .and_then(|mut stacks| match size {
                Size::Class(class) => stacks[class].pop(),
                Size::Exact(_) => None,
            })
    });
    match (here.ok().flatten(), size) {
        (Some(stack), _) => Ok(stack),
        (None, Size::Class(class)) => pooled_or_new(class),
        (None, size) => Stack::new(size),
    }
}

#[cold]
fn release_cold(cache: Option<&Cache>, stack: Stack) {
    let Size::Class(class) = stack.region().size() else {
        return;
    };
    match cache {
        Some(cache) if cache.stacks.borrow()[class].len() < PER_THREAD => {
            cache.count(&stack);
            cache.stacks.borrow_mut()[class].push(stack);
        }
        _ => share(class, stack),
    }
}

impl Cache {
    /// Counts a stack that is kept, and looks at its depth now and then.
    #[inline]
    fn count(&self, stack: &Stack) {
        let kept = self.kept.get().wrapping_add(1);
        self.kept.set(kept);
        if kept % LOOK_EVERY == 0 {
            trim_if_deep(stack);
        }
    }
}

/// A few stacks within reach: to take one or to put it back is to move a pointer.
struct Shelf {
    /// Filled below `filled`, empty from there on.
    places: [Cell<Option<Stack>>; PER_THREAD],
    filled: Cell<usize>,
}

impl Shelf {
    const fn new() -> Self {
        Self {
            places: [const { Cell::new(None) }; PER_THREAD],
            filled: Cell::new(0),
        }
    }

    #[inline]
    fn take(&self) -> Option<Stack> {
        let top = self.filled.get().wrapping_sub(1);
        let stack = self.places.get(top)?.take();
        self.filled.set(top);
        stack
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.filled.get() < PER_THREAD
    }

    /// To be called if there is room; else `stack` is dropped.
    #[inline]
    fn put(&self, stack: Stack) {
        let top = self.filled.get();
        if let Some(place) = self.places.get(top) {
            // What is overwritten is empty, which has nothing to drop.
            std::mem::forget(place.replace(Some(stack)));
            self.filled.set(top + 1);
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        CACHE_HERE.set(null());
        let others = self.stacks.take().into_iter().flatten();
        for stack in std::iter::from_fn(|| self.shelf.take()).chain(others) {
            if let Size::Class(class) = stack.region().size() {
                share(class, stack);
            }
        }
    }
}

fn pooled_or_new(class: usize) -> io::Result<Stack> {
    let pooled = lock(&POOL)[class].pop();
    match pooled {
        Some(stack) => Ok(stack),
        None => Stack::new(Size::Class(class)),
    }
}

/// Puts a stack into the pool, or gives it back to the kernel if there are enough.
#[cold]
fn share(class: usize, stack: Stack) {
    trim(&stack);
    let mut pool = lock(&POOL);
    if pool[class].len() < config::get().cached_stacks {
        pool[class].push(stack);
    } else {
        drop(pool);
        drop(stack);
    }
}

#[cold]
fn trim_if_deep(stack: &Stack) {
    let region = stack.region();
    if region.size().bytes() > WATERMARK && is_resident(region.base() - WATERMARK - PAGE) {
        trim(stack);
    }
}

fn trim(stack: &Stack) {
    // SAFETY: an idle stack needs the few hundred bytes at its base, where its coroutine waits.
    unsafe { stack.region().give_back_below(WATERMARK) };
}
