//! C stacks: where C runs, out of the way of the task's own.
//!
//! # Rules
//!
//! 1. A stack runs one job at a time, on one thread from the job's start to its end.
//! 2. A stack in the midst of a job is never unwound, reset or reused. If it can never be resumed it is leaked, with all
//!    that is on it.
//! 3. An idle stack holds nothing of anybody's: it may go to another thread, and its memory may be given back.
//! 4. Below each stack lies a guard that nobody may touch; [`overflow`] says whose it was when somebody does.
//!
//! The parts: [`machine`](Stack) is the switch, `slab` the address space, `mapping` the kernel, `class` the sizes, `cache` who
//! keeps idle stacks, `exceptions` what C++ keeps for each thread.

mod cache;
mod class;
mod exceptions;
mod machine;
mod mapping;
mod overflow;
mod slab;

pub(crate) use cache::{acquire, at_hand, release};
pub(crate) use class::{DEFAULT_SIZE, MAX_SIZE};
pub(crate) use exceptions::Exceptions;
pub(crate) use machine::{Job, Stack, Suspender, Switch};
