//! Await blocking C.

mod call;
mod callback;
mod config;
mod context;
mod errno;
mod error;
mod observe;
mod panic;
mod slot;
mod stack;
mod sync;

pub use call::{Call, Scope, call, scope, spawn};
pub use callback::{callback, callback_local};
pub use config::{Config, ConfigError, Guards, StandbyThreads};
pub use errno::{CReturn, Errno};
pub use error::Refused;
pub use observe::{Metrics, metrics};
