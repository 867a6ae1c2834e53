//! Tests whose subject is the death of a process, or a setting of a whole process.

use std::process::{Command, Output};

/// Names what the child process is to do.
const TASK: &str = "CEDE_TEST_TASK";

/// Runs the named test of this test binary again, in a process of its own, where [`child_task`] returns `task`.
///
/// # Panics
///
/// If the process cannot be started.
#[must_use]
pub fn child(test: &str, task: &str) -> Output {
    child_command(test, task).output().unwrap()
}

/// What [`child`] runs, for more to be said about it.
#[must_use]
pub fn child_command(test: &str, task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(TASK, task);
    command
}

/// What this process was started for, if it is a child.
#[must_use]
pub fn child_task() -> Option<String> {
    std::env::var(TASK).ok()
}

/// Whether this is a process of its own for the named test. If not, runs the test in one.
///
/// # Panics
///
/// If it fails there.
#[must_use]
pub fn is_alone(test: &str) -> bool {
    let is_child = child_task().is_some();
    if !is_child {
        let output = child(test, "alone");
        assert!(output.status.success(), "{output:?}");
    }
    is_child
}
