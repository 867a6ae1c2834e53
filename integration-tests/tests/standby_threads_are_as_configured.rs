//! Standby threads have the name, the stack and the hooks that were asked for, each runtime's its own.

use cede::StandbyThreads;
use cede_fixtures::Gate;
use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::workers;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::runtime::Runtime;

/// Far apart: the C library gives a new thread the stack of one that has ended, if that is up to four times as large.
const ALPHA_STACK: usize = 16 << 20;
const BETA_STACK: usize = 128 << 20;
/// For rounding, and for what the C library adds.
const SLACK: usize = 256 << 10;

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    name: Option<String>,
    stack: usize,
    hooked: bool,
}

thread_local! {
    static STARTED_BY: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

fn stack_of_this_thread() -> usize {
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: may be called at any time.
    let me = unsafe { libc::pthread_self() };
    // SAFETY: a live thread and a place for its attributes.
    unsafe { libc::pthread_getattr_np(me, attributes.as_mut_ptr()) };
    let mut size = 0;
    // SAFETY: the attributes are initialised by the call above.
    unsafe { libc::pthread_attr_getstacksize(attributes.as_ptr(), &mut size) };
    // SAFETY: as above; they are not used after this.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    size
}

/// What a task sees that runs while the only worker is in C.
fn standby_of(runtime: &Runtime, name: &'static str) -> Seen {
    let gate = Arc::new(Gate::new());
    let task = runtime.spawn(async move {
        let opener = gate.clone();
        let here = thread::current().id();
        let other = tokio::spawn(async move {
            let me = thread::current();
            assert_ne!(me.id(), here);
            opener.open();
            Seen {
                name: me.name().map(str::to_owned),
                stack: stack_of_this_thread(),
                hooked: STARTED_BY.get() == name,
            }
        });
        cede::call(|| gate.wait()).await;
        other.await.unwrap()
    });
    runtime.block_on(task).unwrap()
}

#[derive(Default)]
struct Hooks {
    started: AtomicUsize,
    stopped: AtomicUsize,
}

fn configured(name: &'static str, stack: usize) -> (Runtime, Arc<Hooks>) {
    let runtime = workers(1);
    let hooks = Arc::new(Hooks::default());
    let (start, stop) = (hooks.clone(), hooks.clone());
    StandbyThreads::new()
        .name(name)
        .stack_size(stack)
        .on_start(move || {
            STARTED_BY.set(name);
            start.started.fetch_add(1, Ordering::SeqCst);
        })
        .on_stop(move || {
            stop.stopped.fetch_add(1, Ordering::SeqCst);
        })
        .apply_to(runtime.handle());
    (runtime, hooks)
}

#[test]
fn each_runtime_has_its_own() {
    let _watchdog = Watchdog::new("standby threads are configured");
    let (alpha, alpha_hooks) = configured("alpha", ALPHA_STACK);
    let (beta, beta_hooks) = configured("beta", BETA_STACK);
    let plain = workers(1);
    for _ in 0..20 {
        for (runtime, name, stack) in [(&alpha, "alpha", ALPHA_STACK), (&beta, "beta", BETA_STACK)]
        {
            let seen = standby_of(runtime, name);
            assert_eq!((seen.name.as_deref(), seen.hooked), (Some(name), true));
            assert!(
                (stack - SLACK..stack + SLACK).contains(&seen.stack),
                "{seen:?}"
            );
        }
        let seen = standby_of(&plain, "");
        assert_eq!(
            (seen.name.as_deref(), seen.hooked),
            (Some("cede-standby"), true)
        );
        assert!(seen.stack < ALPHA_STACK, "{seen:?}");
    }
    drop(alpha);
    assert!(eventually(|| {
        let Hooks { started, stopped } = &*alpha_hooks;
        started.load(Ordering::SeqCst) == stopped.load(Ordering::SeqCst)
    }));
    assert_eq!(beta_hooks.stopped.load(Ordering::SeqCst), 0);
    assert!(beta_hooks.started.load(Ordering::SeqCst) >= 1);
}

#[test]
fn they_hold_for_threads_that_start_later() {
    let _watchdog = Watchdog::new("settings change");
    let runtime = workers(1);
    assert_eq!(
        standby_of(&runtime, "").name.as_deref(),
        Some("cede-standby")
    );
    StandbyThreads::new()
        .name("changed")
        .apply_to(runtime.handle());
    assert!(eventually(|| {
        // Every call at the same time as another needs a thread more.
        let gates: Vec<_> = (0..4).map(|_| Arc::new(Gate::new())).collect();
        for gate in &gates {
            let gate = gate.clone();
            runtime.spawn(async move { cede::call(|| gate.wait()).long().await });
        }
        let seen = standby_of(&runtime, "").name;
        gates.iter().for_each(|gate| gate.open());
        seen.as_deref() == Some("changed")
    }));
}
