//! Debug hooks that await: another task watches over a chunk, and ends it.

use crate::state::State;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use tokio::sync::{mpsc, oneshot};

#[test]
fn a_task_of_the_same_worker_ends_an_endless_loop() {
    let _watchdog = Watchdog::new("hook");
    on_worker(1, async {
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<bool>>(1);
        let overseer = tokio::spawn(async move {
            for _ in 0..10 {
                asked.recv().await.unwrap().send(true).unwrap();
            }
            asked.recv().await.unwrap().send(false).unwrap();
            asked
        });
        let mut lua = State::new();
        lua.watch(move || {
            let ask = ask.clone();
            async move {
                let (goes_on, told) = oneshot::channel();
                // Nobody to ask: go on.
                ask.send(goes_on).await.is_err() || told.await.unwrap()
            }
        });
        // In a coroutine, which has inherited the hook.
        let failure = lua
            .run("coroutine.wrap(function() while true do end end)()")
            .await
            .unwrap_err();
        assert!(failure.message.contains("callback failed"), "{failure:?}");
        drop(overseer.await.unwrap());
        let limited = "local n = 0; for i = 1, 10000 do n = n + 1 end; return n";
        assert_eq!(lua.run(limited).await, Ok(10_000), "and none but that");
    });
}
