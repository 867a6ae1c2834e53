//! What the kernel counts about this process.

use std::fs;
use std::time::Duration;

/// A number from `/proc/self/status`: `Threads`, or `VmHWM` in KiB.
pub(crate) fn status(field: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .expect("the field is there")
        .parse()
        .expect("the field is a number")
}

/// The time that the thread with this name has been on a CPU.
pub(crate) fn cpu_time(thread: &str) -> Option<Duration> {
    for task in fs::read_dir("/proc/self/task").expect("/proc is mounted") {
        let task = task.expect("an entry of /proc").path();
        // A thread that ended since the directory was read is not the one.
        let Ok(comm) = fs::read_to_string(task.join("comm")) else {
            continue;
        };
        if comm.trim_end() == thread {
            let stat = fs::read_to_string(task.join("schedstat")).expect("the thread lives");
            let on_cpu = stat
                .split_whitespace()
                .next()
                .expect("schedstat has three numbers");
            return Some(Duration::from_nanos(on_cpu.parse().expect("nanoseconds")));
        }
    }
    None
}
