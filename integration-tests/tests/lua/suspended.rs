//! Suspended chunks: the errors of many states on one thread jump within their own C stacks.

use crate::state::State;
use cede_integration_tests::on_current_thread;
use cede_integration_tests::process::Watchdog;
use futures::future::join_all;
use std::future::pending;
use std::sync::{Arc, Mutex};
use tokio::sync::{Barrier, Notify};

#[test]
fn errors_of_chunks_that_take_turns_on_one_thread_do_not_mix() {
    const STATES: usize = 20;

    let _watchdog = Watchdog::new("suspended chunks");
    on_current_thread(async {
        let barrier = Arc::new(Barrier::new(STATES));
        let chunks = (0..STATES as i64).map(|i| {
            let barrier = barrier.clone();
            cede::call(move || {
                let mut lua = State::new();
                // All are within a `pcall`, and leave it in another order than they came.
                lua.define(c"meet", move |number| {
                    let barrier = barrier.clone();
                    async move {
                        barrier.wait().await;
                        for _ in 0..(number * 7 % 5) {
                            tokio::task::yield_now().await;
                        }
                        (number % 2 == 0).then_some(number)
                    }
                });
                let chunk = format!(
                    "local errors = 0
                    for round = 1, 10 do
                        local fine, result = pcall(meet, {i} + round)
                        if not fine then errors = errors + 1 else assert(result == {i} + round) end
                    end
                    return 100 * errors + {i}"
                );
                lua.raw().run(&chunk)
            })
            .suspendable()
        });
        for (i, outcome) in join_all(chunks).await.into_iter().enumerate() {
            assert_eq!(outcome, Ok(500 + i as i64));
        }
    });
}

#[test]
fn a_chunk_that_is_dropped_ends_by_an_error_within_the_drop() {
    let _watchdog = Watchdog::new("dropped chunk");
    on_current_thread(async {
        let (waits, outcome) = (Arc::new(Notify::new()), Arc::new(Mutex::new(None)));
        let chunk = {
            let (waits, outcome) = (waits.clone(), outcome.clone());
            let run = move || {
                let mut lua = State::new();
                lua.define(c"forever", move |_| {
                    let waits = waits.clone();
                    async move {
                        waits.notify_one();
                        pending().await
                    }
                });
                *outcome.lock().unwrap() = Some(lua.raw().run("forever(0)"));
            };
            cede::call(run).suspendable()
        };
        tokio::select! {
            biased;
            () = chunk => unreachable!("it waits forever"),
            () = waits.notified() => (),
        }
        let ran = outcome.lock().unwrap().take().expect("C has returned");
        let failure = ran.unwrap_err();
        assert!(failure.message.contains("callback refused"), "{failure:?}");
    });
}
