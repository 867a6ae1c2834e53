//! Waiting for what is in flight.

use super::alarm::{self, Ring};
use super::roll::{self, Entry, Waiting};
use crate::sync::{Mutex, lock};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Waits until no [offloaded](crate::offload()) call of the process is in flight, abandoned ones above all; for `limit` at most.
///
/// For the end of a service: stop what makes calls, then drain, then drop what C may still use. Calls that are begun meanwhile
/// are waited for as well. A call is in flight from the moment it was given to a thread or put in line until C has returned
/// and, if it was abandoned, its result is dropped.
///
/// ```
/// # use std::time::Duration;
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let query = cede::offload(|| std::thread::sleep(Duration::from_millis(20))).named("query");
/// let _ = tokio::time::timeout(Duration::from_millis(1), query).await;
/// if let Err(left) = cede::drain(Duration::from_secs(5)).await {
///     for call in left.calls() {
///         eprintln!("{:?} is in C still, after {:?}", call.name(), call.age());
///     }
/// }
/// # });
/// ```
///
/// # Blocking, runtimes, cancellation
///
/// It blocks nobody, needs no runtime and no timer of one: the limit is real time, also where test time is paused. Dropping the
/// future leaves everything as it is.
///
/// # Errors
///
/// [`Undrained`], with the calls that are left, if the limit is reached first (or no thread can be had that watches it).
///
/// # What is not promised
///
/// C that never returns is never drained: there is no way to end it but to end the process.
pub fn drain(limit: Duration) -> Drain {
    Drain {
        limit,
        deadline: None,
        waiting: Waiting::default(),
    }
}

/// The future of [`drain`].
#[must_use = "nothing is waited for unless this is awaited"]
#[derive(Debug)]
pub struct Drain {
    limit: Duration,
    /// From the first poll on.
    deadline: Option<Arc<Deadline>>,
    waiting: Waiting,
}

#[derive(Debug)]
struct Deadline {
    at: Option<Instant>,
    waker: Mutex<Option<Waker>>,
}

impl Ring for Deadline {
    fn ring(self: Arc<Self>) -> Option<Duration> {
        let waker = lock(&self.waker).take();
        waker.into_iter().for_each(Waker::wake);
        None
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        // The alarm is kept until it is due; the task need not be.
        let waker = self
            .deadline
            .as_ref()
            .and_then(|deadline| lock(&deadline.waker).take());
        drop(waker);
    }
}

impl Future for Drain {
    type Output = Result<(), Undrained>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waiting.poll(cx.waker()) {
            return Poll::Ready(Ok(()));
        }
        let limit = self.limit;
        let mut is_watched = true;
        let deadline = self.deadline.get_or_insert_with(|| {
            let deadline = Arc::new(Deadline {
                at: Instant::now().checked_add(limit),
                waker: Mutex::default(),
            });
            if let Some(at) = deadline.at {
                is_watched = alarm::at(at, deadline.clone());
            }
            deadline
        });
        let waker = cx.waker().clone();
        let before = lock(&deadline.waker).replace(waker);
        drop(before);
        // After the waker is there: the alarm may have rung before.
        if is_watched && deadline.at.is_none_or(|at| Instant::now() < at) {
            return Poll::Pending;
        }
        let calls: Vec<_> = roll::read().into_iter().map(InFlight::new).collect();
        Poll::Ready(match calls.is_empty() {
            true => Ok(()),
            false => Err(Undrained(calls)),
        })
    }
}

/// Calls that were in flight still when [`drain`] reached its limit.
#[derive(Debug)]
pub struct Undrained(Vec<InFlight>);

impl Undrained {
    /// The calls, the oldest first.
    pub fn calls(&self) -> &[InFlight] {
        &self.0
    }
}

impl fmt::Display for Undrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} offloaded calls in flight still", self.0.len())?;
        for (index, call) in self.0.iter().enumerate() {
            write!(f, "{} {call}", if index == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for Undrained {}

/// A call that is in flight.
#[derive(Clone)]
pub struct InFlight {
    entry: Entry,
    age: Duration,
}

impl InFlight {
    fn new(entry: Entry) -> Self {
        Self {
            age: entry.since.elapsed(),
            entry,
        }
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<&'static str> {
        self.entry.label.name
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.entry.label.location
    }

    /// How long it had been in flight when the limit was reached, waiting in line included.
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Whether its future is gone.
    pub fn is_abandoned(&self) -> bool {
        self.entry.is_abandoned
    }
}

impl fmt::Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:?}", self.entry.label, self.age)?;
        if self.is_abandoned() {
            f.write_str(", abandoned")?;
        }
        Ok(())
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("name", &self.name())
            .field("location", &self.location())
            .field("age", &self.age)
            .field("is_abandoned", &self.is_abandoned())
            .finish()
    }
}
