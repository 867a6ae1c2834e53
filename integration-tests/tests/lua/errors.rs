//! Errors, which are jumps: Rust returns a code, and C raises the error when Rust's frame is gone.

use crate::state::State;
use cede_fixtures_lua::LUA_ERRRUN;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

#[test]
fn an_error_drops_what_the_function_held_before_lua_jumps() {
    let _watchdog = Watchdog::new("errors");
    on_worker(1, async {
        let held = Arc::new(());
        let mut lua = State::new();
        lua.define(c"reciprocal", {
            let held = held.clone();
            move |number| {
                let guard = held.clone();
                async move {
                    tokio::task::yield_now().await;
                    let result = 100_i64.checked_div(number);
                    drop(guard);
                    result
                }
            }
        });
        let chunk = "
            local failures = 0
            for i = -50, 50 do
                if not pcall(reciprocal, i % 2) then failures = failures + 1 end
            end
            return failures";
        assert_eq!(lua.run(chunk).await, Ok(51));
        assert_eq!(Arc::strong_count(&held), 2, "held by the closure alone");
        let failure = lua.run("return reciprocal(0)").await.unwrap_err();
        assert_eq!(failure.status, LUA_ERRRUN);
        assert!(failure.message.contains("callback failed"), "{failure:?}");
    });
}

#[test]
fn an_error_that_crosses_calls_is_caught_by_each_on_its_own_stack() {
    let _watchdog = Watchdog::new("errors of nested chunks");
    on_worker(1, async {
        let mut lua = State::new();
        lua.define_with_state(c"descend", |raw, n| async move {
            tokio::task::yield_now().await;
            let chunk = match n {
                0 => "error('the bottom')".to_owned(),
                n => format!("return descend({})", n - 1),
            };
            cede::call(move || raw.run(&chunk)).await.ok()
        });
        let failure = lua.run("return descend(10)").await.unwrap_err();
        assert!(failure.message.contains("callback failed"), "{failure:?}");
        let caught = "return pcall(descend, 10) and 1 or 2";
        assert_eq!(lua.run(caught).await, Ok(2));
    });
}

#[test]
fn a_refused_function_is_an_error_that_lua_may_catch() {
    on_worker(1, async {
        let mut lua = State::new();
        lua.define(c"same", async |number| Some(number));
        let failure = lua.raw().run("return same(7)").unwrap_err();
        assert!(failure.message.contains("callback refused"), "{failure:?}");
        let caught = lua.raw().run("return pcall(same, 7) and 1 or 2");
        assert_eq!(caught, Ok(2));
        assert_eq!(lua.run("return same(7)").await, Ok(7));
    });
}

#[test]
fn a_panic_goes_on_when_lua_has_caught_every_error_it_made() {
    on_worker(1, async {
        let mut lua = State::new();
        lua.define(c"shy", async |number| {
            tokio::task::yield_now().await;
            assert!(number < 3, "too many");
            Some(number)
        });
        let chunk = "
            asked = 0
            for i = 1, 10 do if pcall(shy, i) then asked = asked + 1 end end
            finished = true
            return asked";
        let panic = AssertUnwindSafe(lua.run(chunk)).catch_unwind().await;
        let panic = panic.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"too many"));
        let left = lua.run("return finished and asked").await;
        assert_eq!(
            left,
            Ok(2),
            "the chunk went on to its end, the state is good"
        );
        assert_eq!(lua.run("return shy(1)").await, Ok(1));
    });
}
