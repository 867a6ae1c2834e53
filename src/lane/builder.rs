//! The settings of a lane.

use super::Lane;
use super::threads::Shared;
use std::fmt;
use std::io;
use std::sync::Arc;

pub(super) type Hook = Arc<dyn Fn() + Send + Sync>;

/// The settings of a [`Lane`]. Made by [`Lane::builder`].
///
/// ```
/// let lane = cede::Lane::builder("render")
///     .threads(4)
///     .queue(100)
///     .stack_size(8 << 20)
///     .on_start(|| { /* make the context current */ })
///     .start()?;
/// assert_eq!(lane.name(), "render");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
#[must_use = "a lane does nothing until it is started"]
pub struct LaneBuilder {
    pub(super) name: String,
    pub(super) threads: usize,
    pub(super) queue: usize,
    pub(super) stack_size: Option<usize>,
    pub(super) on_start: Option<Hook>,
    pub(super) on_stop: Option<Hook>,
}

impl LaneBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            threads: 1,
            queue: 128,
            stack_size: None,
            on_start: None,
            on_stop: None,
        }
    }

    /// How many threads there are, and so how many calls are in C at once. Default: 1, which keeps the calls in order and on one
    /// thread. With more, calls *begin* in order.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "a lane has at least one thread");
        self.threads = threads;
        self
    }

    /// How many calls may be admitted beyond those that run. Default: 128, which is a guess. With 0 a call is admitted when there
    /// is a thread for it.
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// The size of the threads' stacks in bytes, on which C runs. Default: that of [`std::thread`], 2 MiB.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Called on each thread before its first call. A panic of the hook is reported by the panic hook and goes no further.
    pub fn on_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_start = Some(Arc::new(hook));
        self
    }

    /// Called on each thread after its last call. A panic of the hook is reported by the panic hook and goes no further.
    pub fn on_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_stop = Some(Arc::new(hook));
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// If the system has not enough threads, or the name has a NUL in it. Those that were started end.
    pub fn start(self) -> io::Result<Lane> {
        Ok(Lane::owning(Shared::start(&self)?))
    }
}

impl fmt::Debug for LaneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneBuilder")
            .field("name", &self.name)
            .field("threads", &self.threads)
            .field("queue", &self.queue)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}
