//! Idle stacks: a few for each thread, without a lock; then a pool for all.

use super::Stack;
use super::class::{COUNT, DEFAULT_SIZE, Size};
use super::mapping::{PAGE, is_resident};
use super::overflow::{self, AlternateStack, Describe};
use crate::config;
use crate::here::{self, Here};
use crate::observe::gauge;
use crate::sync::lock;
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Deref;
use std::ptr::null;
use std::sync::Mutex;

/// Stacks that a thread keeps of each class. Guessed: the depth of nesting that is common.
const PER_THREAD: usize = 8;

/// How much of an idle stack stays committed. Measured high-water marks: SQLite 15 KiB, curl with TLS 18, getaddrinfo 20,
/// libgit2 78.
const WATERMARK: usize = 128 << 10;

/// A thread looks at the depth of a stack once in so many times that it is asked to tend them: a look is a system call, which takes
/// as long as some 50 calls of nothing.
const LOOK_EVERY: u32 = 256;

static POOL: Mutex<[Vec<Stack>; COUNT]> = Mutex::new([const { Vec::new() }; COUNT]);

thread_local! {
    static CACHE: Cache = Cache {
        shelf: const { Shelf::new() },
        stacks: const { RefCell::new([const { Vec::new() }; COUNT]) },
        tended: const { Cell::new(0) },
        _alternate: AlternateStack::ensure(),
    };
}

struct Cache {
    /// For the calls that ask for nothing.
    shelf: Shelf,
    /// Stacks of each class, beyond the shelf's.
    stacks: RefCell<[Vec<Stack>; COUNT]>,
    /// How often the stacks were tended.
    tended: Cell<u32>,
    /// A guard that is hit can be reported only on a stack other than the one that is full.
    _alternate: AlternateStack,
}

/// Lends a stack of the size that nearly every call wants, idle, if `bytes` is that size and the thread has one at hand.
///
/// # Safety
///
/// The stacks that a thread has lent come back in the opposite order, before the thread ends. (A stack that may be set aside is not
/// while a call polled there runs: `slot::footing`.)
#[inline(always)]
pub(crate) unsafe fn lend(here: &Here, bytes: u32) -> Option<Lent<'_>> {
    match cache(here) {
        Some(cache) if bytes == DEFAULT_SIZE => cache.shelf.lend(here),
        _ => None,
    }
}

/// Takes back a stack that was [`acquire`]d.
#[cold]
pub(crate) fn release(stack: Stack) {
    gauge::STACKS_ACQUIRED.sub(1);
    let Size::Class(class) = stack.region().size() else {
        return;
    };
    here::with(|here| match cache(here) {
        Some(cache) => cache.keep(class, stack),
        None => share(class, stack),
    });
}

impl Cache {
    /// Keeps an idle stack, if there is room.
    fn keep(&self, class: usize, stack: Stack) {
        let left_over = if stack.is_default() {
            self.shelf.put(stack)
        } else {
            Some(stack)
        };
        let Some(stack) = left_over else {
            return;
        };
        let left_over = keep_best(&mut self.stacks.borrow_mut()[class], PER_THREAD, stack);
        if let Some(stack) = left_over {
            share(class, stack);
        }
    }

    /// Gives back memory that a stack used once, now and then.
    #[inline]
    fn tend(&self, here: &Here) {
        let tended = self.tended.get().wrapping_add(1);
        self.tended.set(tended);
        if tended % LOOK_EVERY == 0 {
            self.shelf.all_idle(here).for_each(trim_if_deep);
            self.stacks.borrow().iter().flatten().for_each(trim_if_deep);
        }
    }
}

/// To be called when calls have been made, though not for every one: sees to it that the thread's idle stacks keep no more
/// memory than they should.
#[inline]
pub(crate) fn tend(here: &Here) {
    if let Some(cache) = cache(here) {
        cache.tend(here);
    }
}

/// Makes the calling thread fit to run on C stacks that it did not acquire: one that hits its guard is reported on the alternate
/// stack, which comes with the cache.
pub(crate) fn prepare_thread() {
    here::with(|here| {
        if here.stacks.get().is_null() {
            let _thread_ends =
                CACHE.try_with(|cache| here.stacks.set(std::ptr::from_ref(cache).cast()));
        }
    });
}

#[inline(always)]
fn cache(here: &Here) -> Option<&Cache> {
    // SAFETY: null, or this thread's cache, which is there until the thread's destructors run: not before whoever was lent
    // `here` has returned, or else under an `exit`, from which it never returns.
    unsafe { here.stacks.get().cast::<Cache>().as_ref() }
}

/// A stack that holds `bytes`, idle. `describe` names the running call when a stack overflows.
///
/// # Errors
///
/// If the kernel has no more address space or mappings to give.
#[cold]
pub(crate) fn acquire(bytes: u32, describe: Describe) -> io::Result<Stack> {
    overflow::install(describe);
    find(bytes).inspect(|_| gauge::STACKS_ACQUIRED.add(1))
}

/// One that is kept, or a new one.
fn find(bytes: u32) -> io::Result<Stack> {
    let size = Size::holding(bytes as usize);
    // Also for the sake of the alternate stack.
    let kept = CACHE.try_with(|cache| {
        here::with(|here| here.stacks.set(std::ptr::from_ref(cache).cast()));
        let Size::Class(class) = size else {
            return None;
        };
        let on_shelf = (size == Size::DEFAULT).then(|| here::with(|here| cache.shelf.take(here)));
        on_shelf
            .flatten()
            .or_else(|| cache.stacks.borrow_mut()[class].pop())
    });
    match (kept.ok().flatten(), size) {
        (Some(stack), _) => Ok(stack),
        (None, Size::Class(class)) => pooled_or_new(class),
        (None, size) => Stack::new(size),
    }
}

/// A few stacks of the default size within reach, for calls that nest: to lend one is to count it.
///
/// ```text
///   places  0 … lent             are lent, the last one first to come back
///           here.lent … filled   are idle
///           filled …        are empty
/// ```
struct Shelf {
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

    /// The stack in a place that is not lent. Of the places beyond the last there is none.
    #[inline(always)]
    fn idle(&self, place: usize) -> Option<&Stack> {
        // SAFETY: what is idle is replaced by `take` and `put`, on this thread, and the callers of this call neither while they
        // use the result; what is lent is not replaced.
        unsafe { &*self.places.get(place)?.as_ptr() }.as_ref()
    }

    fn all_idle(&self, here: &Here) -> impl Iterator<Item = &Stack> {
        (here.shown.lent()..self.filled.get()).filter_map(|place| self.idle(place))
    }

    #[inline(always)]
    fn lend<'a>(&'a self, here: &'a Here) -> Option<Lent<'a>> {
        let lent = here.shown.lent();
        let stack = self.idle(lent)?;
        here.shown.set_lent(lent + 1);
        Some(Lent { stack, here })
    }

    /// An idle stack to keep.
    fn take(&self, here: &Here) -> Option<Stack> {
        let filled = self.filled.get();
        if filled <= here.shown.lent() {
            return None;
        }
        self.filled.set(filled - 1);
        self.places[filled - 1].take()
    }

    /// Gives the stack back if there is no room.
    fn put(&self, stack: Stack) -> Option<Stack> {
        let filled = self.filled.get();
        let Some(place) = self.places.get(filled) else {
            return Some(stack);
        };
        place.set(Some(stack));
        self.filled.set(filled + 1);
        None
    }
}

/// A stack of the thread's, lent for one job; it comes back on drop.
#[must_use]
pub(crate) struct Lent<'a> {
    stack: &'a Stack,
    here: &'a Here,
}

impl Deref for Lent<'_> {
    type Target = Stack;

    #[inline(always)]
    fn deref(&self) -> &Stack {
        self.stack
    }
}

impl Drop for Lent<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let shown = &self.here.shown;
        shown.set_lent(shown.lent() - 1);
    }
}

impl Drop for Cache {
    /// What is lent stays where it is: C has ended the process under a call, and we run on that call's stack.
    fn drop(&mut self) {
        here::with(|here| here.stacks.set(null()));
        let others = self.stacks.take().into_iter().flatten();
        for stack in std::iter::from_fn(|| here::with(|here| self.shelf.take(here))).chain(others) {
            if let Size::Class(class) = stack.region().size() {
                share(class, stack);
            }
        }
        for place in &self.shelf.places {
            std::mem::forget(place.take());
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
    let left_over = keep_best(&mut lock(&POOL)[class], config::get().cached_stacks, stack);
    drop(left_over);
}

/// Keeps an idle stack among `kept`, of which there are at most `room`; gives one back if there are too many.
///
/// A slab goes back to the kernel when all its stacks do. So those in small slabs, which were the first and will be the last, are
/// kept rather than those in slabs which were made for a rush.
fn keep_best(kept: &mut Vec<Stack>, room: usize, stack: Stack) -> Option<Stack> {
    if kept.len() < room {
        kept.push(stack);
        return None;
    }
    let worst = kept.iter_mut().max_by_key(|kept| kept.region().rank());
    match worst {
        Some(worst) if worst.region().rank() > stack.region().rank() => {
            Some(std::mem::replace(worst, stack))
        }
        _ => Some(stack),
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
    // SAFETY: an idle stack holds nothing.
    unsafe { stack.region().give_back_below(WATERMARK) };
}
