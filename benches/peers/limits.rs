//! The limits that the figures are held to, within one run.

use crate::row::Summary;

/// A row, and what it must not exceed: so many times another row, or so many units.
struct Limit {
    row: &'static str,
    of: Option<&'static str>,
    at_most: f64,
}

const LIMITS: [Limit; 23] = [
    times("call_brief", 0.4, "cgo_call"),
    times("call_in_scope", 0.4, "cgo_call"),
    times("callback_ready", 0.4, "cgo_callback_ready"),
    times("callback_typed", 1.3, "callback_ready"),
    times("callback_typed", 0.5, "cgo_callback_ready"),
    times("callback_leaf", 3.0, "plain_callback"),
    times("nested_per_level", 0.5, "cgo_nested_per_level"),
    times("call", 0.1, "block_in_place"),
    times("callback_foreign", 1.5, "spawn_and_two_wakeups"),
    // Five million events a second.
    units("stream_events", 200.0),
    times("offload", 1.1, "offload_peer"),
    times("rendezvous", 1.2, "rendezvous_peer"),
    times("heartbeat_p99_us", 0.5, "cgo_heartbeat_p99_us"),
    times("block1ms_wall_ms", 1.0, "cgo_block1ms_wall_ms"),
    units("tracing_disabled_brief_cost", 2.0),
    units("tracing_disabled_scope_cost", 2.0),
    units("tracing_disabled_callback_cost", 2.0),
    units("tracing_info_brief_cost", 2.0),
    units("tracing_info_scope_cost", 2.0),
    units("tracing_info_callback_cost", 2.0),
    units("retake_busy_max_us", 2000.0),
    units("monitor_cpu_percent", 2.0),
    units("watchdog_cpu_percent", 0.1),
];

const fn times(row: &'static str, at_most: f64, of: &'static str) -> Limit {
    Limit {
        row,
        of: Some(of),
        at_most,
    }
}

const fn units(row: &'static str, at_most: f64) -> Limit {
    Limit {
        row,
        of: None,
        at_most,
    }
}

/// Prints `ratio row/other value limit ok|OVER`, or `limit row value limit ok|OVER`, by the
/// medians. A limit without its rows (no Go, groups left out) is passed over.
pub(crate) fn print(table: &[Summary]) {
    let median = |name: &str| {
        table
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.median)
    };
    for Limit { row, of, at_most } in LIMITS {
        let Some(figure) = median(row) else { continue };
        let (kind, name, value) = match of {
            None => ("limit", row.to_owned(), figure),
            Some(other) => {
                let Some(base) = median(other) else { continue };
                ("ratio", format!("{row}/{other}"), figure / base)
            }
        };
        let verdict = if value <= at_most { "ok" } else { "OVER" };
        println!("{kind} {name} {value:.3} {at_most} {verdict}");
    }
}
