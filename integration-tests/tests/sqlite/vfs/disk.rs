//! A disk that is a task: who reads or writes awaits its answer.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

type Job = Box<dyn FnOnce(&mut Files) + Send>;

/// What is on a disk, by name.
pub(crate) type Files = HashMap<String, Vec<u8>>;

/// A handle of a disk. When the last one goes, the disk stops.
#[derive(Clone)]
pub(crate) struct Disk {
    jobs: mpsc::Sender<Job>,
    luck: Arc<Luck>,
}

/// What becomes of writes.
struct Luck {
    /// How many more there are before one fails.
    left: AtomicUsize,
    /// Whether that one waits for ever; else it panics.
    is_slow: AtomicBool,
    waits: Notify,
}

impl Disk {
    /// A disk that serves nobody before so many wait for it. Its task ends with what is on it.
    pub(crate) fn for_at_least(clients: usize) -> (Self, JoinHandle<Files>) {
        let (jobs, mut queue) = mpsc::channel::<Job>(clients);
        let task = tokio::spawn(async move {
            let (mut files, mut first) = (Files::new(), Vec::new());
            while first.len() < clients && queue.recv_many(&mut first, clients).await > 0 {}
            first.into_iter().for_each(|job| job(&mut files));
            while let Some(job) = queue.recv().await {
                job(&mut files);
            }
            files
        });
        let luck = Arc::new(Luck {
            left: AtomicUsize::new(usize::MAX),
            is_slow: AtomicBool::new(false),
            waits: Notify::new(),
        });
        (Self { jobs, luck }, task)
    }

    /// After so many writes, one panics.
    pub(crate) fn break_after(&self, writes: usize) {
        self.luck.is_slow.store(false, SeqCst);
        self.luck.left.store(writes, SeqCst);
    }

    /// After so many writes, one waits for ever.
    pub(crate) fn stall_after(&self, writes: usize) {
        self.luck.is_slow.store(true, SeqCst);
        self.luck.left.store(writes, SeqCst);
    }

    pub(crate) fn repair(&self) {
        self.break_after(usize::MAX);
    }

    /// Waits until a write waits for ever.
    pub(crate) async fn stalled(&self) {
        self.luck.waits.notified().await;
    }

    /// Has the disk's task do something.
    pub(crate) async fn run<T, F>(&self, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(&mut Files) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |files| drop(answer.send(job(files))));
        assert!(self.jobs.send(job).await.is_ok(), "the disk has stopped");
        answered.await.expect("a disk answers")
    }

    /// Bytes from a file: fewer at its end.
    pub(crate) async fn read(&self, name: Arc<str>, offset: usize, bytes: usize) -> Vec<u8> {
        self.run(move |files| {
            let file = files.get(&*name).map_or(&[][..], Vec::as_slice);
            let from = offset.min(file.len());
            file[from..(offset + bytes).min(file.len())].to_vec()
        })
        .await
    }

    pub(crate) async fn write(&self, name: Arc<str>, offset: usize, bytes: Vec<u8>) {
        if self.luck.left.fetch_sub(1, SeqCst) == 0 {
            assert!(self.luck.is_slow.load(SeqCst), "the disk is broken");
            self.luck.waits.notify_one();
            pending::<()>().await;
        }
        self.run(move |files| {
            let file = files.entry(name.to_string()).or_default();
            let end = offset + bytes.len();
            file.resize(file.len().max(end), 0);
            file[offset..end].copy_from_slice(&bytes);
        })
        .await;
    }
}
