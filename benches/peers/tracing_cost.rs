//! What the calls to tracing cost: each row beside its twin from a build of the same sources without them.

use std::ffi::{c_int, c_long, c_void};
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use cede_fixtures::callback::call_n;
use cede_fixtures::plain::empty;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::effort::Effort;
use crate::row::Row;
use crate::runtime::with_workers;
use crate::typed::CALLBACKS;

/// Nobody listens.
pub(crate) fn disabled(effort: Effort) -> Vec<Row> {
    rows(effort, "disabled")
}

/// A service's subscriber, which wants to know of what is worth a line in its log.
pub(crate) fn at_info(effort: Effort) -> Vec<Row> {
    listen(LevelFilter::INFO);
    rows(effort, "info")
}

/// Somebody wants to know of every call, and does nothing with it.
pub(crate) fn at_debug(effort: Effort) -> Vec<Row> {
    listen(LevelFilter::DEBUG);
    rows(effort, "debug")
}

/// A call each, or a thousand callbacks.
macro_rules! calls_by {
    ($cede:ident as $module:ident) => {
        mod $module {
            use super::*;

            pub(super) async fn brief(n: u32) -> Duration {
                let start = Instant::now();
                let mut sum = 0;
                for _ in 0..n {
                    sum = $cede::call(|| empty(sum)).brief().await;
                }
                check(start, sum, n)
            }

            pub(super) async fn in_scope(n: u32) -> Duration {
                let start = Instant::now();
                let scope = $cede::scope(async {
                    let mut sum = 0;
                    for _ in 0..n {
                        sum = $cede::call(|| empty(sum)).await;
                    }
                    sum
                });
                check(start, scope.await, n)
            }

            pub(super) async fn alone(n: u32) -> Duration {
                let start = Instant::now();
                let mut sum = 0;
                for _ in 0..n {
                    sum = $cede::call(|| empty(sum)).await;
                }
                check(start, sum, n)
            }

            pub(super) async fn callbacks(n: u32) -> Duration {
                let start = Instant::now();
                for _ in 0..n {
                    let count = CALLBACKS as c_int;
                    // SAFETY: `increment` takes any user data, returns before C does, and does not unwind.
                    let sum = $cede::call(|| unsafe { call_n(increment, null_mut(), count) }).await;
                    assert_eq!(sum, c_long::from(CALLBACKS * (CALLBACKS + 1) / 2));
                }
                start.elapsed()
            }

            unsafe extern "C" fn increment(_: *mut c_void, arg: c_int) -> c_int {
                $cede::callback(async move { arg + 1 }).unwrap_or(-1)
            }
        }
    };
}

calls_by!(cede as traced);
calls_by!(cede_untraced as untraced);

fn check(start: Instant, sum: c_int, n: u32) -> Duration {
    let took = start.elapsed();
    assert_eq!(sum, n as c_int);
    took
}

fn rows(effort: Effort, how: &str) -> Vec<Row> {
    let runtime = &with_workers(2);
    let mut rows = Vec::new();
    let mut pair = |what, parts, with: Timed<'_>, without: Timed<'_>| {
        let with_name = format!("tracing_{how}_{what}");
        let names = [(with_name.as_str(), &*with), ("without", &*without)];
        let mut measured = Row::side_by_side(effort, parts, names).into_iter();
        let (with, without) = (measured.next(), measured.next());
        let (with, without) = with.zip(without).expect("two rows go in");
        let pairs = with.samples.iter().zip(&without.samples);
        let more = pairs.map(|(with, without)| with - without).collect();
        rows.extend([Row::new(format!("{with_name}_cost"), "ns", more), with]);
    };
    pair(
        "brief",
        1,
        task(runtime, traced::brief),
        task(runtime, untraced::brief),
    );
    pair(
        "scope",
        1,
        task(runtime, traced::in_scope),
        task(runtime, untraced::in_scope),
    );
    pair(
        "call",
        1,
        task(runtime, traced::alone),
        task(runtime, untraced::alone),
    );
    pair(
        "callback",
        CALLBACKS,
        task(runtime, traced::callbacks),
        task(runtime, untraced::callbacks),
    );
    rows
}

type Timed<'a> = Box<dyn Fn(u32) -> Duration + 'a>;

fn task<'a, F>(runtime: &'a Runtime, work: impl Fn(u32) -> F + 'a) -> Timed<'a>
where
    F: Future<Output = Duration> + Send + 'static,
{
    Box::new(move |n| {
        let task = runtime.spawn(work(n));
        runtime.block_on(task).expect("the task ends well")
    })
}

fn listen(most: LevelFilter) {
    let listener = Listener { most };
    tracing::subscriber::set_global_default(listener).expect("a process has one");
}

/// Takes everything up to a level, and does nothing with it.
struct Listener {
    most: LevelFilter,
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
