//! While C sleeps on the only worker, a heartbeat on it goes on, and on time.

use cede_fixtures::time::sleep_us;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};

const BEAT: Duration = Duration::from_millis(1);
const IN_C_MS: u64 = 300;
const BOUND: Duration = Duration::from_millis(4);
/// A busy machine spoils some.
const ATTEMPTS: usize = 10;

async fn lateness_until(mut over: Receiver<()>) -> Vec<Duration> {
    let mut due = Instant::now();
    let mut late = Vec::new();
    while over.try_recv() == Err(TryRecvError::Empty) {
        due += BEAT;
        tokio::time::sleep_until(due.into()).await;
        late.push(due.elapsed());
    }
    late
}

/// The same by a thread of its own: what the machine makes of a heartbeat, whatever cede does.
fn lateness_of_a_thread(over: &AtomicBool) -> Vec<Duration> {
    let mut due = Instant::now();
    let mut late = Vec::new();
    while !over.load(Ordering::Relaxed) {
        due += BEAT;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        late.push(due.elapsed());
    }
    late
}

/// The lateness that 99 of 100 beats do not exceed, endless if there are too few.
fn by_99_percent(mut late: Vec<Duration>) -> Duration {
    if late.len() < IN_C_MS as usize / 2 {
        return Duration::MAX;
    }
    late.sort_unstable();
    late[late.len() * 99 / 100]
}

/// How late the beats were beside C on the only worker, and how late those of a thread at the same time.
fn beside_c() -> (Duration, Duration) {
    let runtime = workers(1);
    let (over, is_over) = oneshot::channel();
    let heartbeat = runtime.spawn(lateness_until(is_over));
    let task = runtime.spawn(async move {
        cede::call(|| sleep_us(1000 * IN_C_MS as u32)).await;
        drop(over);
    });
    let thread_is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let thread = scope.spawn(|| lateness_of_a_thread(&thread_is_over));
        let late = runtime.block_on(async {
            task.await.unwrap();
            heartbeat.await.unwrap()
        });
        thread_is_over.store(true, Ordering::Relaxed);
        (by_99_percent(late), by_99_percent(thread.join().unwrap()))
    })
}

/// A heartbeat of a thread, which nothing of cede's can make late, tells how much of it is the machine's.
#[test]
fn a_heartbeat_keeps_its_time_while_c_sleeps_on_the_only_worker() {
    let _watchdog = Watchdog::with_limit("heartbeat", Duration::from_secs(120));
    let late: Vec<_> = (0..ATTEMPTS)
        .map(|_| beside_c())
        .take_while(|&(late, anyway)| late >= BOUND.max(2 * anyway))
        .collect();
    assert!(
        late.len() < ATTEMPTS,
        "late at the 99th percentile, and a thread at the same time: {late:?}"
    );
}
