//! What a call costs here, and what the same costs by the other ways there are: plain C,
//! `block_in_place`, `spawn_blocking`, and Go's cgo (`benches/cgo`, built and run when a `go` is
//! found).
//!
//! `cargo bench --bench peers` prints one row a figure: name, median, unit, min. Behind the rows
//! stand the limits that this crate sets itself, `ok` or `OVER`; they are printed and fail nothing,
//! for a busy machine breaks them too. Wrong answers from C do fail. It takes about two minutes,
//! half of them idle. `-- heartbeat` runs the groups with that in their name.
//!
//! Without `--bench` in the arguments, which is how `cargo test --benches` starts it, or with
//! `--test`, everything runs for a moment and only the answers are looked at.
//!
//! Every group runs in a process of its own (this program again): threads, peak memory and the
//! state of the monitor belong to a process. Linux only, since `/proc` is where they are read.

mod block;
mod cost;
mod effort;
mod foreign;
mod go;
mod heartbeat;
mod limits;
mod monitor;
mod offload;
mod proc;
mod retake;
mod row;
mod runtime;
mod tracing_cost;
mod typed;

use std::env;
use std::process::{Command, Stdio};

use effort::Effort;
use go::Go;
use row::{Row, Summary};

struct Group {
    name: &'static str,
    /// Children to run; their samples are put together.
    children: usize,
    run: fn(Effort) -> Vec<Row>,
}

/// Groups that Go's program has too. Its children run in turns with ours, so that what the machine does besides befalls both.
const OF_GO: [&str; 5] = [
    "cost",
    "heartbeat",
    "block1ms",
    "retake_quiet",
    "retake_busy",
];

/// Five children for `cost`, whose ratios count, and for `block1ms`, whose wall time and memory are one sample a process. The
/// number is a guess that keeps each below ten seconds.
const GROUPS: [Group; 11] = [
    group("cost", 5, cost::rows),
    group("foreign", 2, foreign::rows),
    group("offload", 1, offload::rows),
    group("heartbeat", 1, heartbeat::rows),
    group("block1ms", 5, block::rows),
    group("retake_quiet", 1, retake::quiet),
    group("retake_busy", 1, retake::busy),
    group("monitor", 1, monitor::rows),
    // A subscriber is the process's.
    group("tracing_disabled", 1, tracing_cost::disabled),
    group("tracing_info", 1, tracing_cost::at_info),
    group("tracing_debug", 1, tracing_cost::at_debug),
];

const fn group(name: &'static str, children: usize, run: fn(Effort) -> Vec<Row>) -> Group {
    Group {
        name,
        children,
        run,
    }
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if let Some(at) = args.iter().position(|arg| arg == "--group") {
        return child(&args[at + 1], has("--test"));
    }
    let filter = args
        .iter()
        .find(|arg| !arg.starts_with('-'))
        .map_or("", String::as_str);
    let chosen = GROUPS.iter().filter(|group| group.name.contains(filter));
    if has("--test") || !has("--bench") {
        chosen.for_each(quick);
    } else {
        limits::print(&full(chosen));
    }
}

/// All answers are checked on the way; the figures of so short a run say nothing.
fn quick(group: &Group) {
    output_of_child(group.name, &["--test"]);
    println!("{}: answers ok", group.name);
}

fn full<'a>(chosen: impl Iterator<Item = &'a Group>) -> Vec<Summary> {
    let go = Go::build();
    let mut table = Vec::new();
    for group in chosen {
        for row in gather(group, go.as_ref()) {
            let summary = row.summary();
            println!("{summary}");
            table.push(summary);
        }
    }
    table
}

/// The child's part: a row a line, with all its samples.
fn child(name: &str, quick: bool) {
    let group = GROUPS
        .iter()
        .find(|group| group.name == name)
        .expect("a group of that name");
    let effort = if quick { Effort::Quick } else { Effort::Full };
    for row in (group.run)(effort) {
        println!("{}", row.encode());
    }
}

fn gather(group: &Group, go: Option<&Go>) -> Vec<Row> {
    let go = go.filter(|_| OF_GO.contains(&group.name));
    let mut rows: Vec<Row> = Vec::new();
    for _ in 0..group.children {
        let ours = rows_of_child(group.name);
        let of_go = go.map(|go| go.rows(group.name));
        for row in ours.into_iter().chain(of_go.into_iter().flatten()) {
            match rows.iter_mut().find(|known| known.name == row.name) {
                Some(known) => known.samples.extend(row.samples),
                None => rows.push(row),
            }
        }
    }
    rows
}

fn rows_of_child(name: &str) -> Vec<Row> {
    output_of_child(name, &[])
        .lines()
        .map(Row::decode)
        .collect()
}

fn output_of_child(name: &str, more: &[&str]) -> String {
    let output = Command::new(env::current_exe().expect("the path of this program"))
        .args(["--group", name])
        .args(more)
        .stderr(Stdio::inherit())
        .output()
        .expect("this program starts again");
    assert!(output.status.success(), "{name} failed: {}", output.status);
    String::from_utf8(output.stdout).expect("rows are text")
}
