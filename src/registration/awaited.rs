//! Callbacks that C waits for: their way from C to a task and back.
//!
//! ```text
//!   C ──▶ trampoline ──▶ the registration, held ──▶ closure(arguments) ──▶ future
//!                             │ gone                                          │
//!                             ▼                        in a call of ours      │     on any other thread
//!                          fallback                 cede::callback(future) ◀──┴──▶ a task at home, and the thread waits
//! ```
//!
//! The registration is held from the moment it is found to the moment C goes on.

use super::home::Home;
use super::signature::{CSignature, Closure, Handle};
use super::{inside, refused_token, wait};
use crate::callback::callback;
use crate::context;
use crate::errno;
use crate::error::Refused;
use crate::observe;
use crate::panic::{Payload, caught, discard, never_unwinds};
use crate::token::table::{self, Key};
use std::ffi::c_void;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use tokio::task::JoinError;

/// What the table keeps for a registration.
pub(super) struct Awaited<S: CSignature, F> {
    pub(super) home: Home,
    pub(super) closure: F,
    pub(super) fallback: S::Output,
    pub(super) signature: PhantomData<S>,
}

impl<S, F> Handle<S> for Awaited<S, F>
where
    S: CSignature,
    S::Output: Copy + Send + Sync,
    F: Closure<S> + Send + Sync + 'static,
    F::Made: Future<Output = S::Output> + Send + 'static,
{
    fn handle(data: *mut c_void, arguments: S::Arguments) -> S::Output {
        let _errno = errno::Keep::new();
        never_unwinds("a registered callback was unwound", || {
            let held = match table::hold(data.addr()) {
                Ok(held) => held,
                Err(why) => return refused_token::<Self, _>(why),
            };
            match held.downcast::<Self>() {
                Ok(this) => this.run(held.key(), arguments),
                Err(why) => refused_token::<Self, _>(why),
            }
        })
    }
}

impl<S, F> Awaited<S, F>
where
    S: CSignature,
    S::Output: Copy + Send + Sync,
    F: Closure<S> + Send + Sync + 'static,
    F::Made: Future<Output = S::Output> + Send + 'static,
{
    fn run(&self, key: Key, arguments: S::Arguments) -> S::Output {
        let answer = if context::with_current(|call| call.is_some()) {
            let made = caught(|| self.make(key, arguments));
            callback(inside::callback(key, made_or_panic(made)))
        } else {
            self.run_at_home(key, arguments)
        };
        answer.unwrap_or(self.fallback)
    }

    fn make(&self, key: Key, arguments: S::Arguments) -> F::Made {
        inside::enter(key, || self.closure.make(arguments))
    }

    fn run_at_home(&self, key: Key, arguments: S::Arguments) -> Result<S::Output, Refused> {
        observe::counter::FOREIGN_CALLBACKS.add(1);
        let home = &self.home;
        let outcome = wait::wait(&home.runtime, || {
            // Nothing of this may unwind: the closure, nor the subscriber that is told of the span.
            let started = caught(|| {
                let future = home.enter(|| self.make(key, arguments));
                home.spawn(inside::callback(key, future))
            });
            async move { started.map_err(Some)?.await.map_err(panic_of) }
        });
        // What the task was is gone when it is joined: nothing refers to C's arguments any more.
        let why = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Some(payload))) => {
                observe::foreign_callback_panicked(home.location, &payload);
                discard(payload);
                Refused::Panicked
            }
            Ok(Err(None)) => Refused::Shutdown,
            Err(why) => why,
        };
        observe::refused(Some(home.location), why);
        Err(why)
    }
}

/// What a task has panicked with; `None` if it was dropped, as a runtime does that shuts down.
fn panic_of(error: JoinError) -> Option<Payload> {
    error.try_into_panic().ok()
}

/// The future that the closure has made, or one that panics where it would have run.
async fn made_or_panic<Fut: Future>(made: Result<Fut, Payload>) -> Fut::Output {
    match made {
        Ok(future) => future.await,
        Err(payload) => resume_unwind(payload),
    }
}
