//! Helpers shared by the tests.

mod block_on;
mod child;
mod later;
pub mod meter;
pub mod process;
mod runtimes;
mod under_c;

pub use block_on::block_on;
pub use child::{child, child_command, child_task};
pub use later::later;
pub use runtimes::{current_thread, on_current_thread, on_worker, workers};
pub use under_c::{under_c, under_nested_c};

use std::time::Duration;

/// How long a test waits for what must happen before it gives up. No test measures anything by it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What must not compile, each beside a twin that must, so that it fails for the reason that is meant.
///
/// A callback's output crosses to the thread that C runs on, also when the future that makes it is `Send`:
///
/// ```compile_fail,E0277
/// let _ = cede::callback(async { std::rc::Rc::new(1) });
/// ```
/// ```
/// let _ = cede::callback(async { std::sync::Arc::new(1) });
/// ```
///
/// A suspended call may be forgotten, and its stack then lives on; what it borrows would not:
///
/// ```compile_fail,E0597
/// let numbers = vec![1, 2, 3];
/// let _ = cede::call(|| numbers.len()).suspendable();
/// ```
/// ```
/// let numbers = vec![1, 2, 3];
/// let _ = cede::call(|| numbers.len());
/// ```
///
/// A call moves to another thread before it starts, so what it will run must be able to:
///
/// ```compile_fail,E0277
/// fn is_send(_: impl Send) {}
/// let number = std::rc::Rc::new(1);
/// is_send(cede::call(move || *number));
/// ```
/// ```
/// fn is_send(_: impl Send) {}
/// let number = std::sync::Arc::new(1);
/// is_send(cede::call(move || *number));
/// ```
///
/// And again when it waits for a slot with its result in hand:
///
/// ```compile_fail,E0277
/// fn is_send(_: impl Send) {}
/// is_send(cede::call(|| std::rc::Rc::new(1)));
/// ```
/// ```
/// fn is_send(_: impl Send) {}
/// is_send(cede::call(|| std::sync::Arc::new(1)));
/// ```
#[cfg(doctest)]
pub struct MustNotCompile;
