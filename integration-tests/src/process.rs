//! What can be seen of this process from outside, and how long to wait for it.

use std::fs;
use std::process;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that is not stuck.
const LIMIT: Duration = Duration::from_secs(60);

/// Ends the process if it is not dropped within a minute: what hangs is to fail, not to stall.
#[derive(Debug)]
#[must_use = "the watch ends when this is dropped"]
pub struct Watchdog {
    _alive: Sender<()>,
}

impl Watchdog {
    /// Watches over what is called `what` in the message.
    pub fn new(what: &'static str) -> Self {
        Self::with_limit(what, LIMIT)
    }

    /// With a limit of its own.
    pub fn with_limit(what: &'static str, limit: Duration) -> Self {
        let (alive, ended) = channel::<()>();
        thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("`{what}` is stuck: not done after {limit:?}");
                process::abort();
            }
        });
        Self { _alive: alive }
    }
}

/// Waits until `holds`, for a minute at most. The last answer.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT;
    loop {
        let held = holds();
        if held || Instant::now() > deadline {
            return held;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// For bounds on wall-clock time, which a busy machine may break: the best of three attempts has to
/// keep them.
///
/// # Panics
///
/// If every attempt fails.
pub fn best_of_three(mut attempt: impl FnMut() -> Result<(), String>) {
    let failures: Vec<String> = (0..3).map_while(|_| attempt().err()).collect();
    assert!(failures.len() < 3, "failed three times: {failures:#?}");
}

/// The ids of the threads whose name begins with `prefix`.
pub fn threads_named(prefix: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task")
        .expect("Linux has it")
        .flatten()
    {
        // A thread may end between the listing and the look.
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let id = task
            .file_name()
            .into_string()
            .ok()
            .and_then(|id| id.parse::<u32>().ok());
        if name.starts_with(prefix) {
            found.extend(id);
        }
    }
    found
}

/// How often the thread gave up the processor of its own accord; `None` if it has ended.
pub fn voluntary_switches(thread: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    number_after(&status, "voluntary_ctxt_switches:")
}

/// Waits until the threads whose name begins with `prefix` have not run for half a second. Whether that came.
pub fn eventually_idle(prefix: &str) -> bool {
    let switches = || {
        let threads = threads_named(prefix).into_iter();
        threads.map(voluntary_switches).collect::<Vec<_>>()
    };
    eventually(|| {
        let before = switches();
        thread::sleep(Duration::from_millis(500));
        before == switches()
    })
}

/// Open file descriptors.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux has it").count()
}

/// Threads of this process.
pub fn threads() -> usize {
    fs::read_dir("/proc/self/task")
        .expect("Linux has it")
        .count()
}

/// Resident memory, in KiB, after the allocator has given back what it can.
pub fn resident_kib() -> u64 {
    // SAFETY: may be called at any time.
    unsafe { libc::malloc_trim(0) };
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    number_after(&status, "VmRSS:").expect("the kernel tells")
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
