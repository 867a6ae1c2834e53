//! Recursion through C: Lua's own limit ends it within the C stack of a plain call.

use crate::state::State;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[test]
fn luas_limit_is_reached_before_the_end_of_the_stack() {
    let _watchdog = Watchdog::new("recursion");
    on_worker(1, async {
        let mut lua = State::new();
        // Each level has a buffer of its own on the C stack.
        let chunks = [
            "local function f(c) return string.gsub(c, '.', f) end; f('a')",
            "local t = setmetatable({}, { __index = function(t, k) return t[k] end }); return t.x",
            "local function f(a, b) table.sort({1, 2, 3}, f) end; f()",
            "local function f() return f() + 1 end; return f()",
            "return load(string.rep('(', 1000) .. '1' .. string.rep(')', 1000))()",
        ];
        for chunk in chunks {
            let failure = lua.run(chunk).await.unwrap_err();
            assert!(!failure.message.is_empty());
            assert_eq!(lua.run("return 1").await, Ok(1), "after {failure:?}");
        }
        let failure = lua.run(chunks[0]).await.unwrap_err();
        assert!(failure.message.contains("C stack overflow"), "{failure:?}");
    });
}

#[test]
fn luas_limit_counts_levels_on_many_c_stacks() {
    let _watchdog = Watchdog::new("recursion through callbacks");
    on_worker(1, async {
        let levels = Arc::new(AtomicUsize::new(0));
        let mut lua = State::new();
        lua.define_with_state(c"deeper", {
            let levels = levels.clone();
            move |raw, n| {
                levels.fetch_add(1, SeqCst);
                async move {
                    let chunk = format!("return deeper({n} + 1)");
                    let outcome = cede::call(move || raw.run(&chunk)).await;
                    let failure = outcome.unwrap_err();
                    assert!(!failure.message.is_empty());
                    None
                }
            }
        });
        let failure = lua.run("return deeper(1)").await.unwrap_err();
        assert!(failure.message.contains("callback failed"), "{failure:?}");
        let levels = levels.load(SeqCst);
        assert!((20..200).contains(&levels), "{levels} levels");
        assert_eq!(lua.run("return 1").await, Ok(1));
    });
}
