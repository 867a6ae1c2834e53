//! Idle stacks: a few for each thread, without a lock; then a pool for all.

use super::class::{COUNT, Size};
use super::machine::Stack;
use super::mapping::is_resident;
use super::overflow::AlternateStack;
use crate::config;
use crate::sync::lock;
use std::cell::{Cell, RefCell};
use std::io;
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
        stacks: const { RefCell::new([const { Vec::new() }; COUNT]) },
        kept: const { Cell::new(0) },
        _alternate: AlternateStack::ensure(),
    };
}

struct Cache {
    stacks: RefCell<[Vec<Stack>; COUNT]>,
    kept: Cell<u32>,
    /// A guard that is hit can be reported only on a stack other than the one that is full.
    _alternate: AlternateStack,
}

/// A stack that holds `bytes`, idle.
///
/// # Errors
///
/// If the kernel has no more address space or mappings to give.
#[inline]
pub(crate) fn acquire(bytes: usize) -> io::Result<Stack> {
    let size = Size::holding(bytes);
    if let Size::Class(class) = size {
        let cached = CACHE.try_with(|cache| cache.stacks.borrow_mut()[class].pop());
        if let Ok(Some(stack)) = cached {
            return Ok(stack);
        }
        return pooled_or_new(class);
    }
    Stack::new(size)
}

/// Takes back a stack that has nothing to run.
#[inline]
pub(crate) fn release(stack: Stack) {
    let Size::Class(class) = stack.region().size() else {
        return;
    };
    let mut stack = Some(stack);
    let kept = CACHE.try_with(|cache| cache.keep(class, &mut stack));
    if kept.is_err() || stack.is_some() {
        stack.into_iter().for_each(|stack| share(class, stack));
    }
}

impl Cache {
    #[inline]
    fn keep(&self, class: usize, stack: &mut Option<Stack>) {
        let mut stacks = self.stacks.borrow_mut();
        if stacks[class].len() >= PER_THREAD {
            return;
        }
        self.kept.set(self.kept.get().wrapping_add(1));
        if self.kept.get() % LOOK_EVERY == 0 {
            stack.iter().for_each(trim_if_deep);
        }
        stacks[class].extend(stack.take());
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (class, stacks) in self.stacks.take().into_iter().enumerate() {
            for stack in stacks {
                share(class, stack);
            }
        }
    }
}

#[cold]
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

fn trim_if_deep(stack: &Stack) {
    if is_resident(stack.region().base().saturating_sub(WATERMARK + 1).max(stack.region().limit())) {
        trim(stack);
    }
}

fn trim(stack: &Stack) {
    // SAFETY: an idle stack needs the few hundred bytes at its base, where its coroutine waits.
    unsafe { stack.region().give_back_below(WATERMARK) };
}
