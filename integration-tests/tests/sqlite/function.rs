//! SQL functions that await.

use crate::connection::Connection;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Barrier, mpsc, oneshot};

#[test]
fn a_function_awaits_a_task_of_the_same_worker() {
    let _watchdog = Watchdog::new("function");
    on_worker(1, async {
        let (ask, mut asked) = mpsc::channel::<(i64, oneshot::Sender<i64>)>(1);
        tokio::spawn(async move {
            while let Some((number, answer)) = asked.recv().await {
                tokio::time::sleep(Duration::from_micros(100)).await;
                answer.send(2 * number).unwrap();
            }
        });
        let mut db = Connection::in_memory();
        db.define(c"twice", move |number| {
            let ask = ask.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                ask.send((number, answer)).await.unwrap();
                answered.await.unwrap()
            }
        });
        let series = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 50)";
        let rows = db
            .run(&format!("{series} SELECT twice(twice(i)) FROM n"))
            .await;
        let expected = (1..=50).map(|i| (4 * i).to_string()).collect();
        assert_eq!(rows, Ok(expected));
    });
}

#[test]
fn queries_on_one_worker_meet_in_the_midst_of_c() {
    const QUERIES: usize = 50;

    let _watchdog = Watchdog::new("barrier");
    on_worker(1, async {
        let barrier = Arc::new(Barrier::new(QUERIES));
        let tasks: Vec<_> = (0..QUERIES)
            .map(|i| {
                let barrier = barrier.clone();
                tokio::spawn(async move {
                    let mut db = Connection::in_memory();
                    db.define(c"meet", move |number| {
                        let barrier = barrier.clone();
                        async move {
                            barrier.wait().await;
                            number
                        }
                    });
                    // Twice: they part, and meet again.
                    db.run(&format!("SELECT meet({i}) + meet({i})")).await
                })
            })
            .collect();
        for (i, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Ok(vec![(2 * i).to_string()]));
        }
    });
}

#[test]
fn a_functions_future_sees_the_tasks_own_locals() {
    tokio::task_local!(static CUSTOMER: i64);

    on_worker(
        1,
        CUSTOMER.scope(7, async {
            let mut db = Connection::in_memory();
            db.define(c"customer", async |_| {
                tokio::task::yield_now().await;
                CUSTOMER.get()
            });
            assert_eq!(db.run("SELECT customer(0)").await, Ok(vec!["7".into()]));
        }),
    );
}
