//! Calls that are over at the very moment at which they become slow: of each both is said, in order, or nothing.

use cede_integration_tests::process::{Watchdog, eventually};
use cede_integration_tests::{Traced, install_limit, on_worker, under_c};
use futures::executor::block_on;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

/// The watchdog looks as often as it ever does.
const LIMIT: Duration = Duration::from_millis(2);
const CALLS: u64 = 500;

/// For less than the limit, for more, and for just about as long.
fn some_c(n: u64) {
    thread::sleep(LIMIT / 2 + Duration::from_micros(n * 97 % 4000));
}

fn name(kind: &str, n: u64) -> &'static str {
    Box::leak(format!("{kind} {n}").into_boxed_str())
}

const KINDS: [fn(u64); 5] = [
    |n| block_on(cede::call(|| some_c(n)).named(name("plain", n))),
    |n| block_on(cede::call(|| some_c(n)).brief().named(name("brief", n))),
    |n| block_on(cede::offload(move || some_c(n)).named(name("offloaded", n))),
    |n| {
        on_worker(1, async move {
            cede::scope(cede::call(|| some_c(n)).named(name("in a scope", n))).await;
        });
    },
    |n| {
        let asks = || {
            some_c(n);
            under_c(|| cede::callback(async {})).unwrap();
            some_c(n + 1);
        };
        block_on(cede::call(asks).named(name("calls back", n)));
    },
];

#[test]
fn both_or_nothing() {
    let _watchdog = Watchdog::new("slow in passing");
    let traced = Traced::default();
    tracing::subscriber::set_global_default(traced.subscriber(LevelFilter::INFO)).unwrap();
    install_limit(LIMIT);
    thread::scope(|scope| {
        for kind in KINDS {
            scope.spawn(move || (0..CALLS).for_each(kind));
        }
    });
    // Of each call whether it was a beginning or an end.
    let said = || {
        let mut said = BTreeMap::<_, Vec<_>>::new();
        for event in traced.of_cede("") {
            let name = event.fields["name"].clone();
            let is_end = event.fields.contains_key("took_ms");
            said.entry(name).or_default().push(is_end);
        }
        said
    };
    assert!(!said().is_empty());
    let is_whole = |(_, said): (&String, &Vec<bool>)| *said == [false, true];
    // The last ends may be the watchdog's to say, which looks every millisecond.
    let are_whole = eventually(|| said().iter().all(is_whole));
    assert!(are_whole, "{:?}", said());
}
