//! With the limits off there is no watchdog, unless a call has a limit of its own.

use cede_integration_tests::process::{Watchdog, eventually, threads_named};
use cede_integration_tests::{Held, Traced, on_current_thread, on_worker, under_c};
use futures::executor::block_on;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing_subscriber::filter::LevelFilter;

const SHORT: Duration = Duration::from_millis(1);

#[test]
fn unless_a_call_has_one() {
    let _watchdog = Watchdog::new("no limits");
    let traced = Traced::default();
    tracing::subscriber::set_global_default(traced.subscriber(LevelFilter::INFO)).unwrap();
    let config = cede::Config::new()
        .slow_after(Duration::MAX)
        .brief_limit(Duration::MAX);
    config.install().unwrap();

    on_worker(1, async {
        for n in 0..1000 {
            assert_eq!(cede::call(|| n).await, n);
            assert_eq!(cede::call(|| n).brief().await, n);
        }
        assert_eq!(cede::offload(|| 1).await, 1);
    });
    assert_eq!(threads_named("cede-watchdog"), [0; 0]);

    let (held, told) = (Arc::new(Held::new()), AtomicUsize::new(0));
    let is_told_of = |messages: [&str; 2], run: &mut (dyn FnMut(Arc<Held>) + Send)| {
        thread::scope(|scope| {
            let wait = held.clone();
            let call = scope.spawn(move || run(wait));
            let warnings = |so_many: usize| traced.of_cede(messages[0]).len() == so_many;
            let before = traced.of_cede(messages[0]).len();
            assert!(eventually(|| warnings(before + 1)), "{messages:?}");
            held.release();
            call.join().unwrap();
        });
        let after = told.fetch_add(1, Ordering::Relaxed) + 1;
        let ends = || {
            traced
                .events(|event| event.message.contains("has returned"))
                .len()
        };
        assert!(eventually(|| ends() == after), "{messages:?}");
    };
    let slow = ["slow call", "slow call has returned"];
    let brief = ["brief call is not brief", "brief call has returned late"];
    is_told_of(slow, &mut |held| {
        on_worker(1, cede::offload(move || held.wait()).slow_after(SHORT));
    });
    is_told_of(slow, &mut |held| {
        on_worker(1, async move {
            cede::call(|| held.wait()).slow_after(SHORT).await
        });
    });
    is_told_of(brief, &mut |held| {
        block_on(cede::call(|| held.wait()).slow_after(SHORT).brief());
    });
    // The limit stays with a call that is suspended.
    is_told_of(slow, &mut |held| {
        let asks = move || {
            under_c(|| cede::callback(tokio::task::yield_now())).unwrap();
            held.wait();
        };
        on_current_thread(cede::call(asks).suspendable().slow_after(SHORT));
    });
    // So it is with its callbacks.
    let ready = Arc::new(Semaphore::new(0));
    let wait = ready.clone();
    let call = thread::spawn(move || {
        let asks = || under_c(|| cede::callback(async { wait.acquire().await.is_ok() }));
        block_on(cede::call(asks).slow_after(SHORT))
    });
    assert!(eventually(|| traced.of_cede("a callback keeps").len() == 1));
    ready.add_permits(1);
    assert_eq!(call.join().unwrap(), Ok(true));
}
