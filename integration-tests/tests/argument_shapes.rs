//! Whatever C passes to a callback reaches its future, and whatever that returns reaches C, bit for bit: nothing, many arguments,
//! floats, structs by value and by pointer, and values as large as a stack lets them be.

use cede::Refused;
use cede_fixtures::args::{self, Block, Floats, Mixed, multiplied};
use cede_integration_tests::{later, on_current_thread, on_worker, under_c, workers};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::future::Future;
use std::hint::black_box;

/// What the trampolines get as their user data: whether their futures wait, and how often they were called.
struct Asked {
    waits: bool,
    times: Cell<u32>,
}

/// Runs a future for C, after a while if it is to wait; `refused` is what C is told otherwise.
///
/// # Safety
///
/// `ud` points to an [`Asked`].
unsafe fn answer<F>(ud: *mut c_void, refused: F::Output, future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    // SAFETY: by this function's contract.
    let asked = unsafe { &*ud.cast::<Asked>() };
    asked.times.set(asked.times.get() + 1);
    let waits = asked.waits;
    let answered = cede::callback(async move {
        if waits {
            later().await;
        }
        future.await
    });
    answered.unwrap_or(refused)
}

unsafe extern "C" fn eleven(
    ud: *mut c_void,
    a: i8,
    b: u8,
    c: i16,
    d: i32,
    e: i64,
    f: f32,
    g: f64,
    h: u64,
    i: *const c_char,
    j: i32,
    k: f64,
) -> f64 {
    // SAFETY: C passes a string that ends in NUL.
    let i = unsafe { CStr::from_ptr(i) };
    let sum = async move {
        let nine = if i == c"nine" { 9.0 } else { f64::NAN };
        let integers = f64::from(a) + f64::from(b) + f64::from(c) + f64::from(d) + f64::from(j);
        integers + e as f64 + f64::from(f) + g + h as f64 + nine + k
    };
    // SAFETY: by the caller's contract.
    unsafe { answer(ud, f64::NAN, sum) }
}

unsafe extern "C" fn by_value(ud: *mut c_void, block: Block, add: u64) -> Block {
    let added = async move {
        Block {
            words: block.words.map(|word| word + add),
        }
    };
    // SAFETY: by the caller's contract.
    unsafe { answer(ud, Block::default(), added) }
}

unsafe extern "C" fn by_pointer(
    ud: *mut c_void,
    from: *const Block,
    to: *mut Block,
    add: u64,
) -> c_int {
    // SAFETY: C's own, and there until this returns: the future borrows it.
    let from = unsafe { &*from };
    // SAFETY: as above, and nobody else's meanwhile.
    let to = unsafe { &mut *to };
    let writes = async move {
        for (to, from) in to.words.iter_mut().zip(&from.words) {
            *to = from + add;
        }
        8
    };
    // SAFETY: by the caller's contract.
    unsafe { answer(ud, -1, writes) }
}

unsafe extern "C" fn mixed(ud: *mut c_void, mixed: Mixed, floats: Floats) -> Mixed {
    let computed = async move {
        Mixed {
            number: mixed.number + 1,
            fraction: mixed.fraction + f64::from(floats.x * floats.y),
        }
    };
    let refused = Mixed {
        number: 0,
        fraction: 0.0,
    };
    // SAFETY: by the caller's contract.
    unsafe { answer(ud, refused, computed) }
}

/// The numbers of the checks that have failed in C, and how often C has called back.
fn all_shapes(waits: bool) -> ([c_int; 4], u32) {
    let asked = Asked {
        waits,
        times: Cell::new(0),
    };
    let ud = (&raw const asked).cast_mut().cast();
    // SAFETY: what the trampolines take for their user data outlives the calls.
    let many = unsafe { args::many(eleven, ud) };
    // SAFETY: as above.
    let block = unsafe { args::block(by_value, ud) };
    // SAFETY: as above.
    let pointer = unsafe { args::pointer(by_pointer, ud) };
    // SAFETY: as above.
    let mixed = unsafe { args::mixed(mixed, ud) };
    ([many, block, pointer, mixed], asked.times.get())
}

const RIGHT: ([c_int; 4], u32) = ([0; 4], 4);

async fn in_every_mode(waits: bool) {
    assert_eq!(cede::call(|| all_shapes(waits)).await, RIGHT);
    assert_eq!(cede::call(|| all_shapes(waits)).brief().await, RIGHT);
    let call = cede::call(|| all_shapes(waits)).on_thread_stack();
    assert_eq!(call.await, RIGHT);
    assert_eq!(cede::scope(cede::call(|| all_shapes(waits))).await, RIGHT);
    let call = cede::call(move || all_shapes(waits)).suspendable();
    assert_eq!(call.await, RIGHT);
}

#[test]
fn reach_the_future_and_come_back() {
    on_worker(1, in_every_mode(false));
    on_worker(1, in_every_mode(true));
    workers(1).block_on(in_every_mode(true));
    on_current_thread(in_every_mode(false));
    on_current_thread(async {
        let call = || cede::call(|| all_shapes(true)).suspendable();
        assert_eq!(tokio::join!(call(), call(), call()), (RIGHT, RIGHT, RIGHT));
    });
}

thread_local! {
    static NEXT: Cell<c_int> = const { Cell::new(0) };
}

/// Without user data, all that such a callback has is global, or its thread's.
unsafe extern "C" fn no_arguments() -> c_int {
    let number = NEXT.replace(NEXT.get() + 1);
    cede::callback(async move {
        later().await;
        number
    })
    .unwrap_or(-100)
}

#[test]
fn need_not_be_any() {
    let counts_up = || {
        NEXT.set(10);
        // SAFETY: the callback needs no user data.
        unsafe { args::none(no_arguments) }
    };
    on_worker(1, async move {
        assert_eq!(cede::call(counts_up).await, 33);
        assert_eq!(cede::call(counts_up).on_thread_stack().await, 33);
    });
    on_current_thread(async move {
        assert_eq!(cede::call(counts_up).suspendable().await, 33);
    });
}

/// The arguments and the result of the C function itself.
#[test]
fn of_the_call_itself() {
    async fn all() {
        for by in 1..100_u8 {
            let block = Block {
                words: [u64::from(by); 8],
            };
            let result = cede::call(|| multiplied(block, f64::from(by), 0.5)).await;
            let expected = (f64::from(by) * f64::from(by) * 0.5) as u64;
            assert_eq!(result.words, [expected; 8]);
        }
    }
    on_worker(1, all());
    on_worker(1, cede::scope(all()));
    on_current_thread(all());
}

/// A future of this size lies on the C stack, its output too. Without optimisation each hand it goes through takes a copy.
const LARGE: usize = 16 << 10;

fn large(seed: u8) -> [u8; LARGE] {
    let mut bytes = [seed; LARGE];
    bytes[LARGE - 1] = !seed;
    black_box(bytes)
}

fn asks_largely(seed: u8) -> Result<[u8; LARGE], Refused> {
    let sent = large(seed);
    under_c(|| {
        cede::callback(async move {
            later().await;
            let mut bytes = sent;
            bytes[0] ^= bytes[LARGE - 1];
            bytes
        })
    })
}

#[test]
fn may_be_large() {
    fn is_right(answer: &Result<[u8; LARGE], Refused>, seed: u8) {
        let bytes = answer.as_ref().unwrap();
        assert_eq!(bytes[0], 0xff);
        assert_eq!(bytes[1..LARGE - 1], large(seed)[1..LARGE - 1]);
        assert_eq!(bytes[LARGE - 1], !seed);
    }
    on_worker(1, async {
        is_right(&cede::call(|| asks_largely(3)).await, 3);
        let call = Box::pin(cede::call(|| asks_largely(4)).on_thread_stack());
        is_right(&call.await, 4);
    });
    on_current_thread(async {
        let call = |seed| Box::pin(cede::call(move || asks_largely(seed)).suspendable());
        let (five, six) = tokio::join!(call(5), call(6));
        is_right(&five, 5);
        is_right(&six, 6);
    });
}
