//! Helpers shared by the tests.

mod block_on;
mod child;
mod counting;
mod dice;
mod held;
mod holds_watchdog;
mod later;
pub mod meter;
mod polled;
pub mod process;
mod runtimes;
mod traced;
mod under_c;
mod warned;

pub use block_on::block_on;
pub use child::{child, child_command, child_task, is_alone};
pub use counting::{Counting, assert_counting, counted};
pub use dice::Dice;
pub use held::Held;
pub use holds_watchdog::HoldsWatchdog;
pub use later::later;
pub use polled::polled;
pub use runtimes::{calls_at_once, current_thread, on_current_thread, on_worker, workers};
pub use traced::{EventSeen, Fields, SpanSeen, Traced};
pub use under_c::{under_c, under_nested_c};
pub use warned::{LIMIT, Warned, install_limit};

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
/// ```compile_fail,E0373
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
/// Also when it may move later on, by promise:
///
/// ```compile_fail,E0277
/// fn is_send(_: impl Send) {}
/// let number = std::rc::Rc::new(1);
/// is_send(unsafe { cede::call(move || *number).migratable() });
/// ```
/// ```
/// fn is_send(_: impl Send) {}
/// let number = std::sync::Arc::new(1);
/// is_send(unsafe { cede::call(move || *number).migratable() });
/// ```
///
/// The promise is the caller's to make:
///
/// ```compile_fail,E0133
/// let _ = cede::call(|| 1).migratable();
/// ```
/// ```
/// let _ = unsafe { cede::call(|| 1).migratable() };
/// ```
///
/// A callback's future goes where its task goes:
///
/// ```compile_fail
/// let number = std::rc::Rc::new(1);
/// let _ = cede::callback(async move { std::future::ready(()).await; drop(number) });
/// ```
/// ```
/// let number = std::sync::Arc::new(1);
/// let _ = cede::callback(async move { std::future::ready(()).await; drop(number) });
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
///
/// A typed callback borrows, and what it borrows must be there as long as it is:
///
/// ```compile_fail,E0597
/// let callback;
/// {
///     let numbers = vec![1, 2, 3];
///     callback = cede::Callback::new(0, async |n: i32| n + numbers[0]);
/// }
/// let _ = callback.data();
/// ```
/// ```
/// let numbers = vec![1, 2, 3];
/// let callback;
/// {
///     callback = cede::Callback::new(0, async |n: i32| n + numbers[0]);
/// }
/// let _ = callback.data();
/// ```
///
/// And what it changes is its own until its last use:
///
/// ```compile_fail,E0502
/// let mut sum = 0;
/// let callback = cede::Callback::new(0, async |n: i32| { sum += n; n });
/// assert_eq!(sum, 0);
/// let _ = callback.data();
/// ```
/// ```
/// let mut sum = 0;
/// let callback = cede::Callback::new(0, async |n: i32| { sum += n; n });
/// let _ = callback.data();
/// assert_eq!(sum, 0);
/// ```
///
/// Under a call that may be suspended, and forgotten, it must not borrow:
///
/// ```compile_fail,E0597
/// let number = 1;
/// let callback = cede::Callback::new(0, async |n: i32| n + number);
/// let _ = cede::call(|| callback.data()).suspendable();
/// ```
/// ```
/// let number = 1;
/// let callback = cede::Callback::new(0, async |n: i32| n + number);
/// let _ = cede::call(|| callback.data());
/// ```
///
/// Its functions are C's to call:
///
/// ```compile_fail,E0133
/// let callback = cede::Callback::leaf(0, |n: i32| n);
/// callback.data_first()(callback.data(), 1);
/// ```
/// ```
/// let callback = cede::Callback::leaf(0, |n: i32| n);
/// unsafe { callback.data_first()(callback.data(), 1) };
/// ```
///
/// Arguments are not to be guessed:
///
/// ```compile_fail,E0282
/// let callback = cede::Callback::leaf(0, |n| 0);
/// ```
/// ```
/// let callback = cede::Callback::leaf(0, |n: i32| 0);
/// ```
///
/// It moves to another thread only if its closure may:
///
/// ```compile_fail,E0277
/// fn is_send(_: impl Send) {}
/// let number = std::rc::Rc::new(1);
/// is_send(cede::Callback::new(0, async move |n: i32| n + *number));
/// ```
/// ```
/// fn is_send(_: impl Send) {}
/// let number = std::sync::Arc::new(1);
/// is_send(cede::Callback::new(0, async move |n: i32| n + *number));
/// ```
///
/// And is shared with one only then:
///
/// ```compile_fail,E0277
/// fn is_sync(_: impl Sync) {}
/// let number = std::rc::Rc::new(1);
/// is_sync(cede::Callback::new(0, async move |n: i32| n + *number));
/// ```
/// ```
/// fn is_sync(_: impl Sync) {}
/// let number = std::cell::Cell::new(1);
/// is_sync(cede::Callback::new(0, async move |n: i32| n + number.get()));
/// ```
///
/// A shared one is entered while it is pending, and so must not change what it has captured:
///
/// ```compile_fail,E0525
/// let mut sum = 0;
/// let callback = cede::Callback::shared(0, async |n: i32| { sum += n; n });
/// ```
/// ```
/// let sum = std::cell::Cell::new(0);
/// let callback = cede::Callback::shared(0, async |n: i32| { sum.set(sum.get() + n); n });
/// ```
///
/// The futures of a sendable one go to other threads:
///
/// ```compile_fail
/// let callback = cede::Callback::sendable(0, |n: i32| async move {
///     let number = std::rc::Rc::new(n);
///     std::future::ready(()).await;
///     *number
/// });
/// ```
/// ```
/// let callback = cede::Callback::sendable(0, |n: i32| async move {
///     let number = std::sync::Arc::new(n);
///     std::future::ready(()).await;
///     *number
/// });
/// ```
///
/// And pointers with them only if somebody says that they may:
///
/// ```compile_fail
/// let callback = cede::Callback::sendable(0, |at: *mut i32| async move { unsafe { *at } });
/// ```
/// ```
/// let callback = cede::Callback::sendable(0, |at: *mut i32| {
///     let at = cede::SendPtr::from(at);
///     async move { unsafe { *at.get() } }
/// });
/// ```
///
/// A leaf that is shared runs on several threads at once:
///
/// ```compile_fail,E0277
/// let sum = std::cell::Cell::new(0);
/// let callback = cede::Callback::shared_leaf(0, |n: i32| { sum.set(n); n });
/// ```
/// ```
/// let sum = std::sync::atomic::AtomicI32::new(0);
/// let callback = cede::Callback::shared_leaf(0, |n: i32| sum.swap(n, std::sync::atomic::Ordering::SeqCst));
/// ```
///
/// A fallback is what the closure returns:
///
/// ```compile_fail,E0271
/// let callback = cede::Callback::leaf("none", |n: i32| n);
/// ```
/// ```
/// let callback = cede::Callback::leaf("none", |n: i32| "some");
/// ```
///
/// What C owns may stay for ever, and be freed on any thread:
///
/// ```compile_fail,E0373
/// let number = 1;
/// let callback = cede::Callback::leaf(0, |n: i32| n + number);
/// let _: Result<(), ()> = callback.give(|_| Ok(()));
/// ```
/// ```compile_fail,E0277
/// let number = std::rc::Rc::new(1);
/// let callback = cede::Callback::leaf(0, move |n: i32| n + *number);
/// let _: Result<(), ()> = callback.give(|_| Ok(()));
/// ```
/// ```
/// let number = std::sync::Arc::new(1);
/// let callback = cede::Callback::leaf(0, move |n: i32| n + *number);
/// let _: Result<(), ()> = callback.give(|_| Ok(()));
/// ```
///
/// What finds the user data has nothing to go by but the arguments:
///
/// ```compile_fail,E0080
/// let callback = cede::Callback::leaf(0, |n: usize| n);
/// let data = callback.data() as usize;
/// let _ = callback.data_in(move |_| data as *mut std::ffi::c_void);
/// ```
/// ```
/// let callback = cede::Callback::leaf(0, |n: usize| n);
/// let _ = callback.data_in(|&(n,)| n as *mut std::ffi::c_void);
/// ```
///
/// The fallback of a bare callback stays for good:
///
/// ```compile_fail,E0373
/// let number = 1;
/// let callback = cede::Callback::leaf(|_: cede::Refused| number, |n: i32| n);
/// callback.bare(|_| ());
/// ```
/// ```
/// let number = 1;
/// let callback = cede::Callback::leaf(move |_: cede::Refused| number, |n: i32| n);
/// callback.bare(|_| ());
/// ```
///
/// The future of a registered callback runs on another thread than C:
///
/// ```compile_fail,E0277
/// let _ = cede::Registered::new(0, |n: i32| {
///     let number = std::rc::Rc::new(n);
///     async move { std::future::ready(()).await; *number }
/// });
/// ```
/// ```no_run
/// let _ = cede::Registered::new(0, |n: i32| {
///     let number = std::sync::Arc::new(n);
///     async move { std::future::ready(()).await; *number }
/// });
/// ```
///
/// And outlives what its closure could borrow:
///
/// ```compile_fail,E0597
/// let number = 1;
/// let borrowed = &number;
/// let _ = cede::Registered::new(0, move |n: i32| { let sum = n + *borrowed; async move { sum } });
/// ```
/// ```no_run
/// let number = 1;
/// let _ = cede::Registered::new(0, move |n: i32| { let sum = n + number; async move { sum } });
/// ```
///
/// The value of a token is found by any thread:
///
/// ```compile_fail,E0277
/// let _ = cede::Token::new(std::cell::Cell::new(1));
/// ```
/// ```
/// let _ = cede::Token::new(std::sync::Mutex::new(1));
/// ```
///
/// What is offloaded outlives its task, perhaps, so it cannot borrow from it:
///
/// ```compile_fail,E0373
/// let numbers = vec![1, 2, 3];
/// let _ = cede::offload(|| numbers.len());
/// ```
/// ```
/// let numbers = vec![1, 2, 3];
/// let _ = cede::offload(move || numbers.len());
/// ```
///
/// And it runs on another thread, as does what it returns:
///
/// ```compile_fail,E0277
/// let number = std::rc::Rc::new(1);
/// let _ = cede::offload(move || *number);
/// ```
/// ```compile_fail,E0277
/// let _ = cede::offload(|| std::rc::Rc::new(1));
/// ```
/// ```
/// fn is_send(_: impl Send) {}
/// let number = std::sync::Arc::new(1);
/// is_send(cede::offload(move || number));
/// ```
///
/// Also with a boxed closure, within a task:
///
/// ```
/// fn is_send(_: impl Send) {}
/// type Work = Box<dyn FnOnce() -> u32 + Send>;
/// is_send(async {
///     let call = cede::offload(Box::new(|| 1_u32) as Work);
///     tokio::time::timeout(std::time::Duration::from_secs(1), call).await
/// });
/// ```
#[cfg(doctest)]
pub struct MustNotCompile;
