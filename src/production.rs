//! Running cede in production: which way to run C when, what to watch, and what each warning means.
//!
//! The example `service` (`examples/service` in the repository) does all that this page speaks of.
//!
//! # Which way when
//!
//! Ask, in this order:
//!
//! | | then |
//! |---|---|
//! | Is the library bound to one thread (Tcl, EGL, a connection that must not change threads)? | [`on_lane`](crate::Offload::on_lane), a [`Lane`](crate::Lane) of one thread |
//! | Must only so many of these run at once (a disk, a licence, a connection pool)? | a [`Lane`](crate::Lane) of so many threads; its queue is the limit beyond which you answer "busy" |
//! | Does it need a deadline, or an end when the client has gone? | [`offload`](crate::offload()) with a [`Cancel`](crate::Cancel) that fits the library |
//! | May it take longer than a request may (reports, `getaddrinfo`)? | the same |
//! | Do very many wait in the midst of C at once? | [`migratable`](crate::Call::migratable), if its contract holds |
//! | Is it on a current-thread runtime or in a `LocalSet`, with callbacks that wait? | [`suspendable`](crate::Call::suspendable), or [`offload`](crate::offload()) |
//! | Does a task make many short calls? | [`scope`](crate::scope) or [`ceding`](crate::FutureExt::ceding) around it, plain [`call`](crate::call)s within |
//! | Is it a few µs of C that never blocks, called now and then? | [`brief`](crate::Call::brief) |
//! | Is it known to block for long, each time? | [`long`](crate::Call::long) |
//! | Anything else | [`call`](crate::call) |
//!
//! When in doubt take [`call`](crate::call): it costs a few hundred nanoseconds, and if C lasts, others go on all the same. Name every
//! call ([`named`](crate::Call::named)): all that follows shows the name.
//!
//! # Before the first call
//!
//! - [`Config`](crate::Config), if the defaults are not for you, and [`StandbyThreads`](crate::StandbyThreads) if you rely on
//!   tokio's `on_thread_start`, names or stack sizes: standby threads run your tasks as well.
//! - **Threads.** Every call that is in C for long holds a thread: plan for as many as there are such calls at once, beside the workers,
//!   and let the limit on processes and threads (`ulimit -u`, the container's `pids.max`) have room. To bound them is what lanes and
//!   semaphores are for. [`Config::max_standby_threads`](crate::Config::max_standby_threads) is a fuse, not a limit to work at.
//! - **Memory.** A C stack in use takes what C touched of it, 4 KiB at least; the address space behind it is only set aside. With
//!   strict overcommit (`vm.overcommit_memory=2`) that counts too. Kernels before Linux 6.13 need two mappings a stack: raise
//!   `vm.max_map_count` for more than some 30,000 calls in C at once.
//! - **Signals.** Standby threads have the signals blocked that the worker had blocked before its first call. Go on handling signals
//!   as you did.
//!
//! # Logs
//!
//! Events have the target `cede`, lines of C's own logs the target `cede::c::<library>` ([`CLog`](crate::CLog)). A filter for a service:
//!
//! ```text
//! info,cede=info,cede::c::sqlite=warn
//! ```
//!
//! With `cede=debug` every call has a span `call` beneath the span of its task:
//!
//! | field | |
//! |---|---|
//! | `name`, `location` | of the call, and where it was made |
//! | `mode` | `in_place`, `long`, `brief`, `suspendable`, `migratable`, `thread_stack`, `offloaded`, `lane` |
//! | `lane` | the lane's name |
//! | `queued_ns` | from the first poll, or from getting in line, to C's beginning |
//! | `in_c_ns` | in C, callbacks not counted |
//! | `callbacks`, `in_callbacks_ns` | how many there were (leaves are C's), and how long C waited for them |
//! | `slot_wait_ns` | from C's return to the poll that delivers the result |
//! | `retaken` | whether the monitor took the slot while C ran |
//!
//! The last six are recorded at its end. The span is entered while C runs, so it is the parent of what C logs, and its busy time, where
//! a subscriber computes one, is C's. A callback runs in the span of the task. Dropped or suspended, a call has no span entered. A call
//! that is looked at takes about half a microsecond more, with a subscriber that does nothing (`tracing_debug_*` among the benches), so
//! `debug` is for hours, not for years. A subscriber must not make calls of this crate's where it is told of spans and their
//! entering: each would be looked at in turn. With the level at `info` a call costs nothing more than without `tracing`.
//!
//! # Warnings
//!
//! Events of `tracing`, at `WARN`; the level is said where it is `ERROR`.
//!
//! | event | means | do |
//! |---|---|---|
//! | `slow call` | C has run for [`slow_after`](crate::Config::slow_after) without calling back. `syscall` and `thread` tell what it does: on a lock (`futex`), on a peer (`recvfrom`, `poll`), on the disk (`pread64`), or `running` | look whether it should have a deadline, be on a lane, or be `offload`ed. A debugger finds the thread by its number |
//! | `slow call has returned` | it is over; `took_ms` may lack what was before the watchdog saw it ([`slow_after`](crate::Config::slow_after)) | |
//! | `brief call is not brief` | a [`brief`](crate::Call::brief) call holds its worker: other tasks of that worker wait, and nobody takes over. When it is over: `brief call has returned late` | remove `brief()` |
//! | `a callback keeps its thread waiting` | a future under C has been pending for so long; its thread is held, and C's locks with it. When it is over: `a callback that kept its thread waiting is done` | look what the future waits for. If that is normal, `suspendable`, `migratable`, or a lane |
//! | `no standby thread` | a worker could not be replaced: the system has no thread to give, or [`max_standby_threads`](crate::Config::max_standby_threads) is reached. Said once a second at most, with how many `times`: [`kept_slots`](crate::Metrics::kept_slots) counts | too much C at once: bound it |
//! | `C runs in place on a current-thread runtime` | nobody can take over there: all of the runtime's tasks wait while C runs (said once) | a multi-thread runtime, or `offload` |
//! | `a callback cannot suspend its call` | an executor runs, or a runtime is entered, on the call's C stack: the callback parks instead (said once) | no `block_on` and no `Handle::enter` under C |
//! | `a suspended call was dropped on a thread that is not its own` (`ERROR`) | its C stack is lost, with what C holds | await suspendable calls where they were made |
//! | `a callback came when its registration had ended` | C called after it was told to stop, and was refused | end the registration after C's own unregister call |
//! | `the user data of a callback is not its registration's` (`ERROR`) | C passed something else, or it was freed | a mistake in the binding |
//! | `callback refused` (as `WARN`) | re-entered, or called when nothing was lent | `shared` instead of `new`; or a mistake in the binding |
//! | `two bare callbacks of one type at once` (`ERROR`) | C could not tell them apart, so the second [`bare`](crate::Callback::bare) has panicked | not at once, or with user data |
//! | `a callback outside of any call has panicked`, `a callback panicked outside of any call` (`ERROR`) | the first of a registration, the second of a [`leaf`](crate::Callback::leaf): C got the fallback | as any panic |
//! | `C is interrupted once, and not again`, `no signal without a handler` | an interruption could not be repeated, or not be made by signal | more threads; [`Config::cancel_signal`](crate::Config::cancel_signal) |
//! | `this tokio does not hand its workers over as expected` | the self-test failed: calls are plain `block_in_place` | report it, with tokio's version |
//!
//! Those of the watchdog, in the first four lines, have the fields `name`, `location`, `mode` and `thread` (the system's number of it), and,
//! in milliseconds, `age_ms` while it lasts (with `syscall`), `took_ms` when it is over. Each is said once, and its end once. They are told
//!
//! - in the call's span, if calls have spans (`cede=debug`). A layer with a filter of its own that leaves these out (logs at `info`
//!   beside traces at `debug`) then finds the event in no span at all;
//! - else in the span in which the call was made, for offloaded calls, for callbacks, and for calls with a
//!   [`slow_after`](crate::Call::slow_after) of their own;
//! - else in no span, and to the process's subscriber, while C runs; and in the task's span and to its subscriber when C has
//!   returned. A subscriber that is set for one thread only (`set_default`) is then told of the end alone.
//!
//! The watchdog is a thread of its own, `cede-watchdog`, which is started by the first call. If the system has no thread for it then,
//! there are no such warnings.
//!
//! # Metrics
//!
//! [`metrics`](crate::metrics()) shows them all; with the feature `metrics`, `cede::publish_metrics()` writes them to the recorder of the
//! `metrics` crate, under the names here. What to have on the wall, and what to be woken by:
//!
//! | | PromQL | if it rises |
//! |---|---|---|
//! | calls a second, by mode | `rate(cede_calls_total[1m])` | |
//! | how long C takes | `histogram_quantile(0.99, sum by (le, mode) (rate(cede_call_duration_seconds_bucket[5m])))` | C, or what it talks to, is slow. Calls in place are timed if they have lost their slot; the others were shorter than the monitor's patience |
//! | time in line | `histogram_quantile(0.99, sum by (le) (rate(cede_queue_wait_seconds_bucket[5m])))` | a lane or tokio's blocking pool is too small, or its C too slow |
//! | time to get back | `histogram_quantile(0.99, sum by (le) (rate(cede_slot_wait_seconds_bucket[5m])))` | the workers are busy with other tasks |
//! | retakes | `rate(cede_retakes_total[1m])` | calls last. Each costs a wake-up; if most do, they should be `long()` or offloaded |
//! | threads | `cede_standby_threads` | as many calls are in C for long. Alert at half of what the system allows |
//! | slots kept | `rate(cede_slots_kept_total[1m])` | no thread could be had to take a slot over: while C runs, that worker's tasks wait |
//! | abandoned | `cede_calls_abandoned` | C goes on for clients that have gone: give it a [`Cancel`](crate::Cancel) that it heeds |
//! | lane | `cede_lane_calls_waiting` | more comes in than goes out |
//! | suspended | `cede_calls_in_flight{place="suspended"}` | callbacks wait: for what? |
//! | refused, late, panicked | `rate(cede_callbacks_refused_total[5m])` and its like | a mistake, or calls that are cancelled |
//! | leaked | `cede_stacks_leaked_total` | always a mistake: alert on any |
//!
//! # Ending
//!
//! 1. Stop taking requests, and let those under way end.
//! 2. [`close`](crate::Lane::close) the lanes: what is in line is served.
//! 3. [`drain`](crate::drain) with a deadline: it waits for offloaded calls, also abandoned ones, and says by name which are left.
//! 4. Drop the runtime. It waits for calls in place, as for every task that is being polled;
//!    `Runtime::shutdown_timeout` does so no longer than it is told.
//!
//! C that never returns holds a thread for as long as the process runs, whatever is dropped. A process that must end all the same
//! exits: `std::process::exit` does not wait for C.
