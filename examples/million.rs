//! A million calls in the midst of C at once, each waiting in a callback, on two worker threads; then all of them go on.
//!
//! `cargo run --release --example million [calls]`

use std::ffi::{c_int, c_void};
use std::fs::read_to_string;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;
use tokio::sync::Semaphore;

/// Closed until all calls wait.
static GATE: Semaphore = Semaphore::const_new(0);
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// What C calls back. The body awaits.
unsafe extern "C" fn pass(_: *mut c_void, number: c_int) -> c_int {
    let answer = cede::callback(async move {
        WAITING.fetch_add(1, Relaxed);
        GATE.acquire().await.map_or(-1, |_pass| number)
    });
    answer.unwrap_or(-1)
}

fn call(number: c_int) -> impl Future<Output = c_int> + Send {
    // SAFETY: `call_once` passes on what the callback returns.
    let call = cede::call(move || unsafe {
        cede_fixtures::callback::call_once(pass, std::ptr::null_mut(), number)
    });
    // It does next to nothing, so the slot need not be ceded.
    // SAFETY: this C has nothing of its thread's when it calls back, nothing is borrowed, and the stack holds no more than this.
    unsafe { call.stack_size(64 << 10).brief().migratable() }
}

/// Resident bytes, and the kernel's mappings.
fn memory() -> (usize, usize) {
    let pages = read_to_string("/proc/self/statm").expect("Linux has it");
    let resident: usize = pages
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    let maps = read_to_string("/proc/self/maps").expect("Linux has it");
    (resident * 4096, maps.lines().count())
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let asked = std::env::args().nth(1).and_then(|calls| calls.parse().ok());
    let calls: usize = asked.unwrap_or(if cfg!(test) { 2000 } else { 1_000_000 });
    let (before, start) = (memory(), Instant::now());
    let tasks: Vec<_> = (0..calls).map(|n| tokio::spawn(call(n as c_int))).collect();
    while WAITING.load(Relaxed) < calls || cede::metrics().suspended_calls < calls {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let (waiting, during) = (start.elapsed(), memory());
    println!("{calls} calls wait in C, {waiting:.2?} after the first");
    println!("{} resident bytes a call", (during.0 - before.0) / calls);
    println!("{} mappings more than before", during.1 - before.1);
    GATE.add_permits(calls);
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), n as c_int);
    }
    println!("all have returned, {:.2?} after the first", start.elapsed());
    println!(
        "{} bytes are set aside for stacks still",
        cede::metrics().stack_bytes_mapped
    );
}

#[test]
fn runs() {
    main();
}
