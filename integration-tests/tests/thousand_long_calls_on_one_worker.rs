//! Calls that block do not queue behind each other, whatever the number of workers.

use cede_fixtures::Crowd;
use cede_integration_tests::process::{Watchdog, best_of_three};
use cede_integration_tests::workers;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALLS: usize = 1000;
const IN_C_US: u32 = 50_000;
const BOUND: Duration = Duration::from_millis(500);

#[test]
fn a_thousand_calls_of_50_ms_end_within_half_a_second_on_one_worker() {
    let _watchdog = Watchdog::new("a thousand calls");
    best_of_three(|| {
        let runtime = workers(1);
        let crowd = Arc::new(Crowd::new());
        let began = Instant::now();
        let tasks: Vec<_> = (0..CALLS)
            .map(|_| {
                let crowd = crowd.clone();
                runtime.spawn(async move { cede::call(|| crowd.sleep_us(IN_C_US)).await })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        let took = began.elapsed();
        assert_eq!(crowd.total(), CALLS);
        if took < BOUND {
            Ok(())
        } else {
            Err(format!(
                "{took:?}, with up to {} calls in C at once",
                crowd.most()
            ))
        }
    });
}
