//! At the limit of standby threads calls queue for slots, and are right.

use cede::Config;
use cede_fixtures::Crowd;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::sync::Arc;

const LIMIT: usize = 4;
const CALLS: usize = 200;

#[test]
fn calls_are_right_at_the_limit() {
    let _watchdog = Watchdog::new("few standby threads");
    Config::new().max_standby_threads(LIMIT).install().unwrap();
    for _ in 0..3 {
        let runtime = workers(2);
        let crowd = Arc::new(Crowd::new());
        let tasks: Vec<_> = (0..CALLS)
            .map(|n| {
                let crowd = crowd.clone();
                let body = async move {
                    cede::call(|| {
                        crowd.sleep_us(2000);
                        cede::callback(async move { n })
                    })
                    .await
                };
                if n % 2 == 0 {
                    runtime.spawn(body)
                } else {
                    runtime.spawn(cede::scope(body))
                }
            })
            .collect();
        runtime.block_on(async {
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), Ok(n));
            }
        });
        assert_eq!(crowd.total(), CALLS);
        // The limit is not exact, as its docs say; what runs is each of the workers', beside the standbys.
        assert!(
            crowd.most() <= 2 + LIMIT + 2,
            "{} in C at once",
            crowd.most()
        );
        assert!(cede::metrics().standby_threads <= LIMIT + 2);
    }
}
