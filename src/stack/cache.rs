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

/// A thread looks at the depth of one in so many stacks that it keeps: a look is a system call.
const LOOK_EVERY: u32 = 256;

static POOL: Mutex<[Vec<Stack>; COUNT]> = Mutex::new([const { Vec::new() }; COUNT]);

thread_local! {
    static CACHE: Cache = Cache {
        hot: const { Cell::new(None) },
        stacks: const { RefCell::new([const { Vec::new() }; COUNT]) },
        kept: const { Cell::new(0) },
        _alternate: AlternateStack::ensure(),
    };

    /// Points to `CACHE` while that is alive. A thread-local without a destructor is reached by one instruction.
    static CACHE_HERE: Cell<*const Cache> = const { Cell::new(null()) };
}

struct Cache {
    /// One stack of the default size, for the calls that ask for nothing and do not nest.
    hot: Cell<Option<Stack>>,
    stacks: RefCell<[Vec<Stack>; COUNT]>,
    kept: Cell<u32>,
    /// A guard that is hit can be reported only on a stack other than the one that is full.
    _alternate: AlternateStack,
}

/// A stack that holds `bytes`, idle. `describe` names the running call when a stack overflows.
///
/// # Errors
///
/// If the kernel has no more address space or mappings to give.
#[inline]
pub(crate) fn acquire(bytes: u32, describe: Describe) -> io::Result<Stack> {
    let hot = match here() {
        Some(cache) if bytes == DEFAULT_SIZE => cache.hot.take(),
        _ => None,
    };
    match hot {
        Some(stack) => Ok(stack),
        None => acquire_cold(bytes, describe),
    }
}

/// Takes back a stack that has nothing to run.
#[inline]
pub(crate) fn release(stack: Stack) {
    match here() {
        Some(cache) if stack.is_default() && cache.hot_is_free() => {
            cache.count(&stack);
            cache.hot.set(Some(stack));
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

#[cold]
fn acquire_cold(bytes: u32, describe: Describe) -> io::Result<Stack> {
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
    #[inline]
    fn hot_is_free(&self) -> bool {
        let hot = self.hot.take();
        let free = hot.is_none();
        self.hot.set(hot);
        free
    }

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

impl Drop for Cache {
    fn drop(&mut self) {
        CACHE_HERE.set(null());
        let hot = self.hot.take();
        for stack in hot
            .into_iter()
            .chain(self.stacks.take().into_iter().flatten())
        {
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
