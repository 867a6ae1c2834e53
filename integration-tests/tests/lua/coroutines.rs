//! Lua's own coroutines, on a C stack: what they call awaits between their yields.

use crate::state::State;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use tokio::sync::{mpsc, oneshot};

#[test]
fn coroutines_take_turns_while_their_functions_await() {
    let _watchdog = Watchdog::new("coroutines");
    on_worker(1, async {
        let (numbers, mut stream) = mpsc::channel(1);
        let producer = tokio::spawn(async move {
            for i in 1..=60 {
                numbers.send(i).await.unwrap();
            }
        });
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<i64>>(1);
        tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                answer.send(stream.recv().await.unwrap_or(0)).unwrap();
            }
        });
        let mut lua = State::new();
        lua.define(c"take", move |_| {
            let ask = ask.clone();
            async move {
                let (answer, answered) = oneshot::channel();
                ask.send(answer).await.unwrap();
                answered.await.ok()
            }
        });
        // Each takes every third number; one of them fails half way, and the others go on.
        let chunk = "
            local function worker(limit)
                return coroutine.create(function()
                    local sum = 0
                    for i = 1, limit do
                        sum = sum + take(0)
                        coroutine.yield()
                    end
                    if limit < 20 then error('half way') end
                    return sum
                end)
            end
            local workers = { worker(20), worker(10), worker(20) }
            local total, failures = 0, 0
            while #workers > 0 do
                for i = #workers, 1, -1 do
                    local fine, sum = coroutine.resume(workers[i])
                    if coroutine.status(workers[i]) == 'dead' then
                        table.remove(workers, i)
                        if fine then total = total + sum else failures = failures + 1 end
                    end
                end
            end
            assert(failures == 1)
            return total";
        let total = lua.run(chunk).await.unwrap();
        let rest = "local rest = 0; for i = 1, 10 do rest = rest + take(0) end; return rest";
        let rest = lua.run(rest).await.unwrap();
        producer.await.unwrap();
        // The share of the one that failed is lost: every third of the first thirty.
        let lost: i64 = (1..=10).map(|round| 3 * round - 1).sum();
        assert_eq!(total + rest + lost, (1..=60).sum::<i64>());
    });
}

#[test]
fn a_coroutine_that_is_never_resumed_is_collected() {
    on_worker(1, async {
        let mut lua = State::new();
        lua.define(c"same", async |number| {
            tokio::task::yield_now().await;
            Some(number)
        });
        let chunk = "
            local left = setmetatable({}, { __mode = 'k' })
            for i = 1, 100 do
                local suspended = coroutine.create(function() coroutine.yield(same(i)) end)
                coroutine.resume(suspended)
                left[suspended] = true
            end
            collectgarbage()
            local count = 0
            for _ in pairs(left) do count = count + 1 end
            return count";
        // The last one may still lie on Lua's stack.
        assert!(lua.run(chunk).await.unwrap() <= 1);
    });
}
