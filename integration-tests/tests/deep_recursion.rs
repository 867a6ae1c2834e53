//! Call and callback may alternate as deep as the task's stack is: each level has a C stack of its own, and both grow and
//! shrink in between.

use cede_fixtures::deep::{checksum, recurse_bytes};
use cede_fixtures::{Callback, bridge, room};
use cede_integration_tests::{child, child_task, later, on_current_thread, under_c, workers};
use futures::future::BoxFuture;
use std::ffi::{c_int, c_long, c_void};
use std::future::Future;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;

/// Runs the future as a task, on the only worker of a runtime whose threads have that much stack, also those that stand in
/// for it.
fn on_worker_with_stack<F>(bytes: usize, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_stack_size(bytes)
        .enable_all()
        .build()
        .unwrap();
    cede::StandbyThreads::new()
        .stack_size(bytes)
        .apply_to(runtime.handle());
    runtime.block_on(async { tokio::spawn(future).await.unwrap() })
}

/// Uses so much of the stack it is called on.
#[inline(never)]
fn grow_rust(bytes: usize) -> u64 {
    let block = black_box([1_u8; 1024]);
    let deeper = match bytes.checked_sub(2048) {
        Some(left) => grow_rust(left),
        None => 0,
    };
    deeper + u64::from(black_box(&block)[bytes % 1024])
}

fn grow_c(bytes: usize) {
    // SAFETY: a C stack ends in a guard.
    assert_eq!(unsafe { recurse_bytes(bytes) }, checksum(bytes));
}

/// How much either stack grows before it goes a level deeper, after it, or both.
#[derive(Clone, Copy)]
struct Growth {
    c: usize,
    rust: usize,
}

/// Counts the levels. A future that waits at the bottom goes back through all of them.
fn level(depth: usize, growth: Growth, waits: bool) -> BoxFuture<'static, usize> {
    Box::pin(async move {
        if growth.rust > 0 {
            assert!(grow_rust(growth.rust) > 0);
        }
        if depth == 0 {
            if waits {
                later().await;
            }
            return 0;
        }
        let call = cede::call(move || {
            grow_c(growth.c);
            let deeper = under_c(|| cede::callback(level(depth - 1, growth, waits)));
            grow_c(growth.c);
            deeper.unwrap() + 1
        });
        let levels = call.await;
        if growth.rust > 0 {
            assert!(grow_rust(growth.rust) > 0);
        }
        levels
    })
}

const NONE: Growth = Growth { c: 0, rust: 0 };

#[test]
fn a_thousand_levels() {
    on_worker_with_stack(256 << 20, async {
        assert_eq!(level(1000, NONE, false).await, 1000);
        assert_eq!(level(1000, NONE, true).await, 1000);
        assert_eq!(cede::scope(level(1000, NONE, true)).await, 1000);
    });
}

#[test]
fn levels_with_growing_stacks() {
    let growths = [
        Growth {
            c: 1 << 20,
            rust: 0,
        },
        Growth {
            c: 0,
            rust: 256 << 10,
        },
        Growth {
            c: 1 << 20,
            rust: 256 << 10,
        },
    ];
    on_worker_with_stack(64 << 20, async move {
        for growth in growths {
            for waits in [false, true] {
                assert_eq!(level(50, growth, waits).await, 50);
            }
        }
    });
}

/// On every thread that polls, as deep as its usual stack lets them.
#[test]
fn levels_on_every_thread() {
    let growth = Growth {
        c: 1 << 20,
        rust: 32 << 10,
    };
    on_worker_with_stack(2 << 20, async move {
        assert_eq!(level(16, growth, true).await, 16);
    });
    workers(1).block_on(async move { assert_eq!(level(16, growth, true).await, 16) });
    on_current_thread(async move { assert_eq!(level(16, growth, false).await, 16) });
    assert_eq!(
        futures::executor::block_on(level(16, growth, false)),
        16,
        "outside of a runtime"
    );
}

/// Four tasks, each with its levels, and only one worker.
#[test]
fn levels_of_several_tasks_at_once() {
    workers(1).block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|_| tokio::spawn(level(16, NONE, true)))
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 16);
        }
    });
}

/// Rust has, in a callback, what the task has left of its stack; C has its stack whole, at every level.
#[test]
fn each_side_has_its_stack_to_itself() {
    const C: usize = (2 << 20) - (128 << 10);
    const RUST: usize = 1 << 20;
    on_worker_with_stack(2 << 20, async {
        let call = cede::call(|| {
            grow_c(C);
            let asked = under_c(|| {
                cede::callback(async {
                    assert!(grow_rust(RUST) > 0);
                    cede::call(|| {
                        grow_c(C);
                        under_c(|| cede::callback(async { grow_rust(RUST) }))
                    })
                    .await
                })
            });
            grow_c(C);
            asked
        });
        assert!(call.await.unwrap().unwrap() > 0);
    });
}

/// Off the task's stack, in a callback: it is the thread's that has overflowed, and Rust says so.
#[test]
fn off_the_tasks_stack_is_rusts_to_report() {
    const TEST: &str = "off_the_tasks_stack_is_rusts_to_report";
    if child_task().is_some() {
        on_worker_with_stack(2 << 20, async {
            let asks = || under_c(|| cede::callback(async { grow_rust(1 << 30) }));
            cede::call(asks).await.unwrap();
        });
    }
    let output = child(TEST, "overflow");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{message}");
    assert!(message.contains("has overflowed its stack"), "{message}");
    assert!(!message.contains("cede: "), "{message}");
}

type Keeps = unsafe extern "C" fn(Callback, *mut c_void, c_int) -> c_long;

/// Bytes that are not what they were before a callback in which both stacks were used.
fn spoilt(keeps: Keeps, bytes: c_int) -> c_long {
    let mut f = |_: c_int| {
        let answer = cede::callback(async {
            later().await;
            cede::call(|| grow_c(1 << 20)).await;
            grow_rust(128 << 10)
        });
        i32::from(answer.is_err())
    };
    let (cb, ud) = bridge(&mut f);
    grow_c(64 << 10);
    // SAFETY: `f` outlives the call, and the room is less than the stack's.
    unsafe { keeps(cb, ud, bytes) }
}

#[test]
fn what_c_has_on_its_stack_stays() {
    const BYTES: c_int = 1 << 20;
    on_worker_with_stack(2 << 20, async {
        for bytes in [1, 4096, BYTES] {
            assert_eq!(cede::call(|| spoilt(room::in_alloca, bytes)).await, 0);
            assert_eq!(cede::call(|| spoilt(room::in_vla, bytes)).await, 0);
        }
        let all = room::STATIC_BYTES;
        assert_eq!(cede::call(|| spoilt(room::in_static, all)).await, 0);
    });
    on_current_thread(async {
        for keeps in [room::in_alloca, room::in_vla] {
            let call = || cede::call(move || spoilt(keeps, BYTES)).suspendable();
            assert_eq!(tokio::join!(call(), call(), call()), (0, 0, 0));
        }
    });
}
