//! While C sleeps on the only worker, a heartbeat on it goes on, and on time.

use cede_fixtures::time::sleep_us;
use cede_integration_tests::process::{Watchdog, best_of_three};
use cede_integration_tests::workers;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};

const BEAT: Duration = Duration::from_millis(1);
const IN_C_MS: u64 = 300;
const BOUND: Duration = Duration::from_millis(4);

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

/// The lateness that 99 of 100 beats do not exceed, endless if there are too few, while `meanwhile`
/// runs as another task of the only worker.
fn late_by_99_percent(meanwhile: impl Future<Output = ()> + Send + 'static) -> Duration {
    let runtime = workers(1);
    let (over, is_over) = oneshot::channel();
    let heartbeat = runtime.spawn(lateness_until(is_over));
    let task = runtime.spawn(async move {
        meanwhile.await;
        drop(over);
    });
    let mut late = runtime.block_on(async {
        task.await.unwrap();
        heartbeat.await.unwrap()
    });
    if late.len() < IN_C_MS as usize / 2 {
        return Duration::MAX;
    }
    late.sort_unstable();
    late[late.len() * 99 / 100]
}

/// Waits for a while in which the machine lets a heartbeat that has nothing beside it keep half the bound.
fn await_a_calm_machine() {
    for _ in 0..60 {
        let idle = async { tokio::time::sleep(Duration::from_millis(IN_C_MS)).await };
        if late_by_99_percent(idle) < BOUND / 2 {
            return;
        }
    }
}

#[test]
fn a_heartbeat_keeps_its_time_while_c_sleeps_on_the_only_worker() {
    let _watchdog = Watchdog::with_limit("heartbeat", Duration::from_secs(120));
    best_of_three(|| {
        await_a_calm_machine();
        let late = late_by_99_percent(async {
            cede::call(|| sleep_us(1000 * IN_C_MS as u32)).await;
        });
        if late < BOUND {
            Ok(())
        } else {
            Err(format!("{late:?} late at the 99th percentile"))
        }
    });
}
