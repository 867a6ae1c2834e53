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
//! the one alone: `ok`, or `OVER` three times as long. Limits are printed and fail nothing, wrong answers do. The clients run on the same
//! processors as the service. With `--test`, and without `--bench`, all of it runs for a moment only.

mod load;
mod probe;

use cede_service::{Config, Service, telemetry};
use load::Load;
use probe::Probe;
use std::env;
use std::time::Duration;

/// What one request may take of what it takes alone.
const LIMIT: f64 = 3.0;

const LOADS: [Load; 3] = [Load::None, Load::Waiting, Load::Computing];

fn main() {
    let has = |flag| env::args().any(|argument| argument == flag);
    let is_quick = has("--test") || !has("--bench");
    let (rounds, time) = match is_quick {
        true => (1, Duration::from_millis(300)),
        false => (5, Duration::from_secs(4)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let service = runtime.block_on(runtime.spawn(start())).expect("no panic");
    let address = service.address();
    let entries = load::prepare(&service);
    println!("{entries} entries make a report of 100 ms");
    let probes = [Probe::new("/live"), Probe::new("/kv/item-00001")];
    let mut p99 = vec![vec![Vec::new(); LOADS.len()]; probes.len()];
    // In turns, so that what the machine does besides hits all alike.
    for _ in 0..rounds {
        for (at, load) in LOADS.iter().enumerate() {
            let loaded = load.begin(address);
            for (probe, p99) in probes.iter().zip(&mut p99) {
                let us = probe.p99_us(address, time);
                println!("{load:<10} {:<16} {us}", probe.path());
                p99[at].push(us);
            }
            println!("{load}: {} answers", loaded.end());
        }
    }
    for (probe, p99) in probes.iter().zip(p99) {
        let medians: Vec<f64> = p99.into_iter().map(median).collect();
        for (load, p99) in LOADS.iter().zip(&medians) {
            report(probe, *load, *p99, p99 / medians[0]);
        }
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

fn report(probe: &Probe, load: Load, p99: f64, ratio: f64) {
    let verdict = match load {
        Load::None => "",
        _ if ratio <= LIMIT => "ok",
        _ => "OVER",
    };
    let (path, load) = (probe.path(), load.to_string());
    println!("{path:<16} {load:<10} p99 {p99:>8.0} us  {ratio:>6.2} x  {verdict}");
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
