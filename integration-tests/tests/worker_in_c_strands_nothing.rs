//! What a worker had to do when its task went to C is done while C runs: its queues, its timers, its I/O.
//!
//! In each test C waits at a gate that only the work in question opens.

use cede_fixtures::Gate;
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::future::Future;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Runs C at the gate on the only worker, right after `before` has run on it.
fn c_waits_for<F>(what: &'static str, before: impl FnOnce(Arc<Gate>) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send,
{
    let _watchdog = Watchdog::new(what);
    let runtime = workers(1);
    let task = runtime.spawn(async move {
        let gate = Arc::new(Gate::new());
        before(gate.clone()).await;
        cede::call(|| gate.wait()).await;
    });
    runtime.block_on(task).unwrap();
}

#[test]
fn the_task_in_the_lifo_slot_runs() {
    c_waits_for("LIFO slot", async |gate| {
        // The last task that a task spawns goes to its worker's LIFO slot.
        tokio::spawn(async move { gate.open() });
    });
}

#[test]
fn the_tasks_in_the_local_queue_run() {
    const TASKS: usize = 100;
    c_waits_for("local queue", async |gate| {
        let left = Arc::new(AtomicUsize::new(TASKS));
        for _ in 0..TASKS {
            let (gate, left) = (gate.clone(), left.clone());
            tokio::spawn(async move {
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    gate.open();
                }
            });
        }
    });
}

#[test]
fn tasks_in_the_lifo_slot_wake_each_other() {
    c_waits_for("ping-pong", async |gate| {
        let (ping, mut pinged) = tokio::sync::mpsc::channel(1);
        let (pong, mut ponged) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            while pinged.recv().await.is_some() {
                pong.send(()).await.unwrap();
            }
        });
        tokio::spawn(async move {
            for _ in 0..100 {
                ping.send(()).await.unwrap();
                ponged.recv().await.unwrap();
            }
            gate.open();
        });
    });
}

#[test]
fn timers_fire() {
    c_waits_for("timers", async |gate| {
        tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            gate.open();
        });
    });
}

#[test]
fn sockets_become_readable() {
    c_waits_for("sockets", async |gate| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut reader = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut writer, _) = listener.accept().unwrap();
        let (waits, is_waiting) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            is_waiting.recv().unwrap();
            writer.write_all(b"open").unwrap();
        });
        tokio::spawn(async move {
            // Runs only while C is at the gate, so what follows is read only then.
            waits.send(()).unwrap();
            let mut word = [0; 4];
            reader.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"open");
            gate.open();
        });
    });
}

#[test]
fn pipes_become_readable() {
    c_waits_for("pipes", async |gate| {
        let (mut writer, mut reader) = tokio::net::unix::pipe::pipe().unwrap();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, b"open");
            gate.open();
        });
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            writer.write_all(b"open").await.unwrap();
        });
    });
}

#[test]
fn tasks_spawned_from_outside_run() {
    c_waits_for("injection", async |gate| {
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            runtime.spawn(async move { gate.open() });
        });
    });
}
