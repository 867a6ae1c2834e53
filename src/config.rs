//! Settings: once a process, before the first call.

use crate::panic::{caught, discard};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Builder;

static CONFIG: OnceLock<Config> = OnceLock::new();

/// The settings in force. The first call of this function settles them.
pub(crate) fn get() -> &'static Config {
    CONFIG.get_or_init(Config::new)
}

/// How the guard of a C stack is made.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guards {
    /// `MADV_GUARD_INSTALL` where the kernel has it (Linux 6.13 and later), else `mprotect`.
    #[default]
    Auto,
    /// `mprotect` always. Each stack then takes two of the kernel's mappings, whose number is limited (65,530 a process
    /// by default: about 32,000 stacks). Beyond that a call panics, and says so, without having run C.
    Mprotect,
}

/// What is called when a C stack is suspended and when it is resumed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwitchHook {
    pub(crate) leave: fn() -> usize,
    pub(crate) enter: fn(usize),
}

/// Settings of the crate, made once, before the first call.
///
/// ```
/// cede::Config::new()
///     .max_standby_threads(512)
///     .standby_threads(cede::StandbyThreads::new().name("worker"))
///     .install()
///     .expect("nobody has used cede yet");
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until they are installed"]
pub struct Config {
    pub(crate) max_standby_threads: usize,
    pub(crate) cached_stacks: usize,
    pub(crate) guards: Guards,
    pub(crate) on_switch: Option<SwitchHook>,
    pub(crate) cancel_signal: Option<i32>,
    pub(crate) slow_after: Duration,
    pub(crate) brief_limit: Duration,
    pub(crate) standby_threads: StandbyThreads,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The settings that are in force when nothing is installed.
    pub fn new() -> Self {
        Self {
            max_standby_threads: 10_000,
            cached_stacks: 64,
            guards: Guards::Auto,
            on_switch: None,
            cancel_signal: None,
            slow_after: Duration::from_secs(1),
            brief_limit: Duration::from_millis(100),
            standby_threads: StandbyThreads::new(),
        }
    }

    /// How many standby threads may be alive, over all runtimes. Default: 10,000, which is Go's limit on threads.
    ///
    /// Each call that blocks for longer than the monitor's patience holds a thread, whatever the number of workers. At
    /// the limit a further call keeps its worker's slot, as if it were [`brief`](crate::Call::brief), and a warning is
    /// logged; a callback that has to wait then gives the slot to one of the runtime's own blocking threads. The check is not
    /// atomic: a few threads more may come to be.
    pub fn max_standby_threads(mut self, threads: usize) -> Self {
        self.max_standby_threads = threads;
        self
    }

    /// How many idle C stacks of each size are kept for all threads together, beside the eight that each thread keeps for
    /// itself. Default: 64. The others are given back to the kernel.
    pub fn cached_stacks(mut self, stacks: usize) -> Self {
        self.cached_stacks = stacks;
        self
    }

    /// How guard pages are made. Default: [`Guards::Auto`].
    pub fn guards(mut self, guards: Guards) -> Self {
        self.guards = guards;
        self
    }

    /// Functions that keep a library's per-thread state with the C stack it belongs to.
    ///
    /// `leave` is called on the thread that C leaves when a call is suspended, and returns a word (a pointer, say) that is
    /// kept with the stack; `enter` is called with that word when the stack is about to be resumed. errno and C++'s exception
    /// state are taken care of already. Only calls that are suspended are affected: a parked one keeps its thread to
    /// itself. Under [`migratable`](crate::Call::migratable) `enter` may be called on another thread than `leave` was, and what
    /// the word refers to must bear that. The hooks must not panic and must not make calls themselves.
    pub fn on_switch(mut self, leave: fn() -> usize, enter: fn(usize)) -> Self {
        self.on_switch = Some(SwitchHook { leave, enter });
        self
    }

    /// The signal that [`Cancel::Signal`](crate::Cancel::Signal) uses. Default: the highest real-time signal that nobody has a
    /// handler for, which is looked for when the first call of that kind is made.
    ///
    /// A signal that has a handler by then is not taken.
    pub fn cancel_signal(mut self, signal: i32) -> Self {
        self.cancel_signal = Some(signal);
        self
    }

    /// How long C may run, or a callback keep C's thread waiting, before that is worth a warning. Default: one second.
    /// [`Duration::MAX`] turns these warnings off.
    ///
    /// C is slow if it has run for so long without calling back: the time in callbacks, and in a lane's line, is not C's. A `WARN`
    /// event, `slow call`, says so while C runs, once a call, with its name, location, mode and age, the thread's id and the system call
    /// that it sits in; another one, `slow call has returned`, when it has. A thread of the crate's own looks for such calls four times in
    /// the shortest of the limits in force, and sleeps while none is in progress. So the first warning comes up to two such looks late, and
    /// the times in both are up to one look too short. Without a subscriber of `tracing` nobody sees them. Calls may
    /// have limits of their own
    /// ([`Call::slow_after`](crate::Call::slow_after), [`Offload::slow_after`](crate::Offload::slow_after)).
    pub fn slow_after(mut self, limit: Duration) -> Self {
        self.slow_after = limit;
        self
    }

    /// How long a [`brief`](crate::Call::brief) call may run before that is worth a warning, in the same way: `brief call is not
    /// brief`. Default: 100 ms. [`Duration::MAX`] turns these warnings off.
    pub fn brief_limit(mut self, limit: Duration) -> Self {
        self.brief_limit = limit;
        self
    }

    /// What standby threads are like, for every runtime that has no settings of its own
    /// ([`StandbyThreads::apply_to`]).
    pub fn standby_threads(mut self, threads: StandbyThreads) -> Self {
        self.standby_threads = threads;
        self
    }

    /// Puts the settings in force.
    ///
    /// # Errors
    ///
    /// If settings are in force already: installed before, or settled by a first call.
    pub fn install(self) -> Result<(), ConfigError> {
        CONFIG.set(self).map_err(|_| ConfigError(()))
    }
}

/// Settings came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(());

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cede is configured already, or has been used before it was configured")
    }
}

impl std::error::Error for ConfigError {}

type Hook = Arc<dyn Fn() + Send + Sync>;

/// What the threads are like that take over from a worker in C: name, stack size, hooks.
///
/// A standby thread runs your tasks just as tokio's workers do, but tokio's
/// [`Builder::on_thread_start`](https://docs.rs/tokio/1/tokio/runtime/struct.Builder.html#method.on_thread_start)
/// is not called on it, and its name and stack size are not those of the runtime's builder: the runtime does not tell. Whoever relies
/// on these says so again here.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// cede::StandbyThreads::new()
///     .name("worker")
///     .stack_size(4 << 20)
///     .on_start(|| { /* as in Builder::on_thread_start */ })
///     .apply_to(runtime.handle());
/// ```
#[derive(Clone)]
#[must_use = "these settings do nothing until they are part of a Config or applied to a runtime"]
pub struct StandbyThreads {
    name: Arc<str>,
    stack_size: Option<usize>,
    on_start: Option<Hook>,
    on_stop: Option<Hook>,
}

impl Default for StandbyThreads {
    fn default() -> Self {
        Self::new()
    }
}

impl StandbyThreads {
    /// Named `cede-standby`, with the stack size that tokio's own threads have, without hooks.
    pub fn new() -> Self {
        Self {
            name: "cede-standby".into(),
            stack_size: None,
            on_start: None,
            on_stop: None,
        }
    }

    /// The threads' name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into().into();
        self
    }

    /// The size of the threads' own stacks in bytes, on which tasks are polled. (C has stacks of its own.)
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Called on each thread when it starts. A panic of the hook is reported by the panic hook and goes no further.
    pub fn on_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_start = Some(Arc::new(hook));
        self
    }

    /// Called on each thread before it ends. A panic of the hook is reported by the panic hook and goes no further.
    pub fn on_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_stop = Some(Arc::new(hook));
        self
    }

    pub(crate) fn configure(&self, builder: &mut Builder) {
        builder.thread_name(&*self.name);
        if let Some(bytes) = self.stack_size {
            builder.thread_stack_size(bytes);
        }
        // A thread that a hook has killed would be waited for for ever.
        if let Some(hook) = self.on_start.clone() {
            builder.on_thread_start(move || caught(|| hook()).unwrap_or_else(discard));
        }
        if let Some(hook) = self.on_stop.clone() {
            builder.on_thread_stop(move || caught(|| hook()).unwrap_or_else(discard));
        }
    }
}

impl fmt::Debug for StandbyThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandbyThreads")
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .field("on_start", &self.on_start.is_some())
            .field("on_stop", &self.on_stop.is_some())
            .finish()
    }
}
