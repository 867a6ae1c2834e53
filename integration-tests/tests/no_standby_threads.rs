//! With no standby thread to be had, a call keeps its slot and is right all the same.

use cede::Config;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{Traced, on_worker, workers};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::filter::LevelFilter;

const CALLS: u64 = 10_000;

fn is_said_once_a_second_at_most() {
    let traced = Traced::default();
    let subscriber = traced.subscriber(LevelFilter::INFO);
    let calls = async {
        for _ in 0..CALLS {
            cede::call(|| ()).await;
        }
    };
    let began = Instant::now();
    on_worker(1, calls.with_subscriber(subscriber));
    let seconds = began.elapsed().as_secs();
    let told = traced.events(|event| event.message.starts_with("no standby thread"));
    assert!(
        (1..=1 + seconds).contains(&(told.len() as u64)),
        "{told:#?}"
    );
    assert_eq!(told[0].number("times"), 1);
    assert_eq!(cede::metrics().kept_slots, CALLS);
}

#[test]
fn calls_are_right_without_them() {
    let _watchdog = Watchdog::new("no standby threads");
    Config::new().max_standby_threads(0).install().unwrap();
    is_said_once_a_second_at_most();

    assert_eq!(on_worker(1, async { cede::call(|| 7).await }), 7);
    assert_eq!(on_worker(1, async { cede::call(|| 7).long().await }), 7);
    assert_eq!(
        on_worker(1, cede::scope(async { cede::call(|| 7).await })),
        7
    );
    assert_eq!(
        on_worker(1, async {
            cede::call(|| cede::callback(async { 7 })).await
        }),
        Ok(7)
    );

    // Nobody can wake this one but another worker, or a task that has one.
    let answer = on_worker(2, async {
        let (send, receive) = oneshot::channel();
        std::thread::spawn(move || send.send(7).unwrap());
        cede::call(|| cede::callback(receive)).await
    });
    assert_eq!(answer.unwrap(), Ok(7));

    let runtime = workers(2);
    let sum = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let sum = sum.clone();
            runtime.spawn(async move {
                let returned = cede::call(|| cede_fixtures::plain::empty(n)).await;
                sum.fetch_add(returned as u32, std::sync::atomic::Ordering::SeqCst);
                yield_now().await;
                cede::scope(async { cede::call(|| ()).await }).await;
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(
        sum.load(std::sync::atomic::Ordering::SeqCst),
        (1..=100).sum::<u32>()
    );
    assert_eq!(cede::metrics().standby_threads, 0);
}
