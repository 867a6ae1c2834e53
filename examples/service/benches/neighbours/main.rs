//! Whether a request waits on its neighbours' slow queries: how long a trivial request takes while 64 clients have queries of 100 ms
//! each, beside what it takes alone, in the same run.
//!
//! | load | 64 clients, each with one query after the other |
//! |---|---|
//! | `alone` | none |
//! | `waiting` | SQLite's function waits 100 ms for the price service, in place: all 64 are in C at once |
//! | `computing` | SQLite computes for 100 ms: as many at once as reports are admitted, the others stand in line |
//!
//! `cargo bench -p cede-service` prints the 99th percentile of `/live` and of `/kv/{key}` under each load, in µs, and what it is of
//! the one alone in the same round, as the median of the rounds: `ok`, or `OVER` three times as long. Limits are printed and fail nothing, wrong answers do. The clients run on the same
//! processors as the service. With `--test`, and without `--bench`, all of it runs for a moment only.

mod load;
mod probe;

use cede_service::{Config, Service, telemetry};
use load::Load;
use std::env;
use std::fmt;
use std::time::Duration;

/// What one request may take of what it takes alone.
const LIMIT: f64 = 3.0;

/// What is trivial: without C, and with a short call of it.
const PATHS: [&str; 2] = ["/live", "/kv/item-00001"];

const LOADS: [Load; 3] = [Load::None, Load::Waiting, Load::Computing];

fn main() {
    let has = |flag| env::args().any(|argument| argument == flag);
    let is_quick = has("--test") || !has("--bench");
    let (rounds, time) = match is_quick {
        true => (1, Duration::from_millis(300)),
        false => (9, Duration::from_secs(2)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let service = runtime.block_on(runtime.spawn(start())).expect("no panic");
    let address = service.address();
    let entries = load::prepare(&service);
    println!("{entries} entries make a report of 100 ms");
    let mut rows: Vec<Row> = LOADS
        .into_iter()
        .flat_map(|load| PATHS.map(|path| Row::new(load, path)))
        .collect();
    // In turns, so that what the machine does besides hits all alike; each is set against what was measured beside it.
    for _ in 0..rounds {
        for rows in rows.chunk_by_mut(|a, b| a.load == b.load) {
            let loaded = rows[0].load.begin(address);
            for row in rows {
                row.p99_us.push(probe::p99_us(address, row.path, time));
            }
            loaded.end();
        }
    }
    let (alone, loaded) = rows.split_at(PATHS.len());
    alone.iter().for_each(|row| println!("{row}"));
    for (row, alone) in loaded.iter().zip(alone.iter().cycle()) {
        println!("{row}  {}", verdict(row, alone));
    }
    let is_clean = runtime.block_on(runtime.spawn(service.shut_down()));
    assert!(is_clean.expect("no panic"), "nothing is left behind");
}

async fn start() -> Service {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        price_delay: Duration::from_millis(100),
        report_deadline: Duration::from_secs(60),
        ..Config::default()
    };
    let prometheus = telemetry::metrics::install().expect("the first");
    let service = Service::start(config, prometheus);
    service.await.expect("a service")
}

/// A path under a load: its 99th percentile in each round.
struct Row {
    load: Load,
    path: &'static str,
    p99_us: Vec<f64>,
}

impl Row {
    fn new(load: Load, path: &'static str) -> Self {
        Self {
            load,
            path,
            p99_us: Vec::new(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = self.load.to_string();
        let (p99, best) = (median(&self.p99_us), least(&self.p99_us));
        write!(
            f,
            "{:<14} {load:<9} p99 {p99:>6.0} us, least {best:>6.0}",
            self.path
        )
    }
}

/// How the rounds compare with what was alone in them.
fn verdict(row: &Row, alone: &Row) -> String {
    let rounds = row.p99_us.iter().zip(&alone.p99_us);
    let ratios: Vec<f64> = rounds.map(|(loaded, alone)| loaded / alone).collect();
    let (ratio, best) = (median(&ratios), least(&ratios));
    let verdict = if ratio <= LIMIT { "ok" } else { "OVER" };
    format!("{ratio:>5.2} x alone, least {best:>5.2}  {verdict}")
}

fn median(of: &[f64]) -> f64 {
    let mut of = of.to_vec();
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn least(of: &[f64]) -> f64 {
    of.iter().copied().fold(f64::INFINITY, f64::min)
}
