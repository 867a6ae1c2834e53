//! The load: a bit of everything, one after the other, beside tasks that always have something to do.

use cede_fixtures::time::{sleep_us, spin_us};
use cede_fixtures::{bridge, callback};
use std::ffi::{c_int, c_uint};
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{Instrument, info_span};

/// A task with a name.
fn task<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(future.instrument(info_span!("task", name)))
}

/// C that blocks for so many milliseconds.
fn c(ms: c_uint) -> impl FnOnce() + Send + 'static {
    move || sleep_us(1000 * ms)
}

/// C that blocks, calls back, and blocks again. The callback waits for a timer, and computes.
fn c_with_callback(before: c_uint, waits: u64, after: c_uint) -> impl FnOnce() + Send + 'static {
    move || {
        sleep_us(1000 * before);
        let mut trampoline = |_: c_int| {
            let future = async {
                ms(waits).await;
                compute(1500);
            };
            let future = future.instrument(info_span!("callback", name = "waits, then computes"));
            cede::callback(future).map_or(-1, |()| 0)
        };
        let (function, data) = bridge(&mut trampoline);
        // SAFETY: the closure is there until C has returned, and on this thread alone.
        unsafe { callback::call_once(function, data, 0) };
        sleep_us(1000 * after);
    }
}

/// Rust that keeps a thread busy.
fn compute(us: c_uint) {
    spin_us(us);
}

fn ms(ms: u64) -> tokio::time::Sleep {
    sleep(Duration::from_millis(ms))
}

/// Tells what comes next.
fn phase(name: &str) {
    tracing::info!(target: "phase", "{name}");
}

/// Runs it all.
pub(crate) async fn run() {
    // What else the service does: it must go on, whatever is in C.
    let others = ["requests", "more requests"].map(|name| {
        task(name, async {
            loop {
                compute(1000);
                ms(1).await;
            }
        })
    });
    ms(4).await;
    short_calls().await;
    lasting_calls().await;
    callbacks().await;
    elsewhere().await;
    all_at_once().await;
    ms(4).await;
    for other in others {
        other.abort();
        let _ = other.await;
    }
}

/// The slot is ceded and re-acquired, and nobody takes it.
async fn short_calls() {
    phase("40 short calls");
    let calls = async {
        for _ in 0..40 {
            cede::call(|| spin_us(20)).named("short").await;
            compute(50);
        }
    };
    let _ = task("short calls", cede::scope(calls)).await;
    ms(5).await;
}

/// The slot is retaken when C lasts, or handed off at once.
async fn lasting_calls() {
    phase("a call that lasts");
    let lasts = async { cede::call(c(16)).named("lasts").await };
    let _ = task("a call that lasts", lasts).await;
    ms(5).await;
    phase("long(): known to last");
    let long = async { cede::call(c(16)).long().named("long()").await };
    let _ = task("a call known to be long", long).await;
    ms(5).await;
}

/// While a callback waits its thread does, and the slot is somebody else's; or the call is suspended, and no thread waits.
async fn callbacks() {
    phase("a callback that waits");
    let call = cede::call(c_with_callback(0, 10, 12));
    let parked = async { call.named("calls back").await };
    let _ = task("a call with a callback", parked).await;
    ms(5).await;
    phase("suspended meanwhile");
    let call = cede::call(c_with_callback(5, 5, 10));
    // SAFETY: this C has nothing of its thread's when it calls back.
    let suspended = async { unsafe { call.migratable() }.named("migratable").await };
    let _ = task("a call that is suspended", suspended).await;
    ms(5).await;
}

/// No worker of the runtime's is in C.
async fn elsewhere() {
    phase("offloaded; on a lane");
    let call = cede::offload(c_with_callback(12, 4, 4));
    let offloaded = task("an offloaded call", call.named("offloaded"));
    let lane = cede::Lane::new("lane").expect("a thread can be had");
    let on_lane = [(); 3].map(|()| {
        let call = cede::offload(c(7)).named("lane").on_lane(&lane);
        task("a call on the lane", call)
    });
    for call in on_lane {
        let _ = call.await;
    }
    let _ = offloaded.await;
    lane.close().await;
    ms(5).await;
}

/// More calls than workers.
async fn all_at_once() {
    phase("three calls at once");
    let calls = [12, 14, 16].map(|ms| {
        let call = async move { cede::call(c(ms)).named("at once").await };
        task("one of three calls", call)
    });
    for call in calls {
        let _ = call.await;
    }
}
