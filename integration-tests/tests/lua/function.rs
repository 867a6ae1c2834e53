//! Lua functions that await.

use crate::state::State;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

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
        let mut lua = State::new();
        lua.define(c"twice", move |number| {
            let ask = ask.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                ask.send((number, answer)).await.unwrap();
                answered.await.ok()
            }
        });
        let chunk = "local sum = 0; for i = 1, 50 do sum = sum + twice(twice(i)) end; return sum";
        assert_eq!(lua.run(chunk).await, Ok(4 * 50 * 51 / 2));
    });
}

#[test]
fn a_function_runs_lua_on_the_state_that_called_it() {
    let _watchdog = Watchdog::new("nested chunks");
    on_worker(1, async {
        let mut lua = State::new();
        lua.define_with_state(c"factorial", |raw, n| async move {
            tokio::task::yield_now().await;
            if n == 0 {
                return Some(1);
            }
            let chunk = format!("return {n} * factorial({n} - 1)");
            cede::call(move || raw.run(&chunk)).await.ok()
        });
        assert_eq!(lua.run("return factorial(12)").await, Ok(479_001_600));
    });
}
