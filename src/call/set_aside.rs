//! The calls whose C stack may be set aside, and what has to be promised for that.

use super::Call;
use crate::label::GroundKind;

impl<F, R> Call<F, R>
where
    F: FnOnce() -> R,
{
    /// Lets a callback that is not ready suspend the call, where its task cannot change threads: on a current-thread
    /// runtime, and in the tasks of a `LocalSet`. The task returns `Pending`, and the thread goes on with others.
    /// Elsewhere the thread parks, as in a plain call.
    ///
    /// Closure and result own what they use (`'static`), for a suspended call may be forgotten: C then stays where it is, and so must
    /// all that it refers to.
    ///
    /// # Thread
    ///
    /// A suspended call stays on its thread. Polled on another one (a current-thread runtime whose `block_on` was
    /// called from there), it panics.
    ///
    /// # Cancellation
    ///
    /// `select!`, `timeout` and `abort` act at callbacks. A suspended call that is dropped resumes C within the drop, with
    /// [`Refused::Cancelled`](crate::Refused::Cancelled) for this callback and all that follow, until C returns: this drop
    /// takes as long as C does. Dropped on another thread it cannot be resumed: its C stack, and what C holds, are leaked
    /// and the leak is reported (an `ERROR` event, [`Metrics::leaked_stacks`](crate::Metrics::leaked_stacks)).
    ///
    /// # What crosses between suspended calls
    ///
    /// Several suspended calls share one thread, so they share what C and Rust keep for each thread. errno and C++'s exception
    /// state are kept apart. Everything else that a library keeps per thread is not: error queues (OpenSSL,
    /// libgit2), recursive mutexes (SQLite in serialized mode deadlocks; `SQLITE_CONFIG_MULTITHREAD` is fine), current
    /// contexts (EGL, CPython, Tcl). Nor are the floating-point environment (rounding, traps) and the signal mask: C that changes them
    /// sets them back before it calls back. Keep them apart with [`Config::on_switch`](crate::Config::on_switch).
    ///
    /// # Profilers
    ///
    /// The few instructions that switch to a stack that is set aside, and from it, cannot be unwound. A profiler that walks
    /// stacks in its signal handler may lose a trace there, or crash. (Other calls can be unwound at every instruction.)
    ///
    /// # Soundness
    ///
    /// Suspended stacks do not nest, and some safe code takes for granted that a thread's frames do: code that puts a pointer
    /// to its own frame into a thread-local and restores the former one when it returns (the `scoped-tls` crate; an executor
    /// that is run under C). Suspended within such code by two calls that then end in another order, the thread-local
    /// points to a frame that is gone, and to use it is **undefined behaviour**. The same is true of everything that is
    /// built on stackful coroutines, and no type can express it. So do not await a callback of a suspendable call from within
    /// a closure that was lent something by a thread-local (`ScopedKey::set`, `LocalKey::with`, `LocalKey::sync_scope`), an
    /// entered runtime handle, or an executor of its own, the runtime's own `block_on` among them. (Spans are seen to.) Rust code that C calls directly has nothing of the kind above it
    /// unless `f` has put it there.
    ///
    /// Other runtimes of tokio's, its tasks, and polls of calls and scopes are recognised: a callback from within one of them, driven
    /// under C, parks the thread instead of suspending the call, or is refused where to park would starve it.
    ///
    /// Undoes [`migratable`](Self::migratable).
    pub fn suspendable(mut self) -> Self
    where
        F: 'static,
        R: 'static,
    {
        self.core
            .label()
            .manner
            .set_aside_by(GroundKind::Suspendable);
        self
    }

    /// Lets a callback that is not ready suspend the call, on every runtime: the task returns `Pending`, holding no
    /// slot, no frame and no thread, and may be polled next on any other thread, where C goes on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # fn c_function(callback: impl FnOnce() -> i32) -> i32 { callback() }
    /// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().worker_threads(1).build().unwrap();
    /// # runtime.block_on(async { tokio::spawn(async {
    /// let call = cede::call(|| {
    ///     c_function(|| {
    ///         let answer = async {
    ///             tokio::time::sleep(Duration::from_secs(3600)).await;
    ///             42
    ///         };
    ///         cede::callback(answer).unwrap_or(-1)
    ///     })
    /// });
    /// // SAFETY: `c_function` holds nothing of its thread's while it calls back, nor does the closure; the call is not forgotten.
    /// let call = unsafe { call.migratable() };
    /// // `select!`, `timeout` and `abort` act while C waits.
    /// assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    /// # }).await.unwrap(); });
    /// ```
    ///
    /// The returned call is `Send` if `F` and `R` are; what the closure makes on its own stack is not looked at by any bound.
    ///
    /// # Thread and blocking
    ///
    /// Whenever C runs, it does so as in a plain call, in a poll, on the polling thread, whose slot is ceded until C returns or
    /// waits. A callback is first polled right there, and suspends the call if it is not ready. It is polled again with the
    /// task, and C goes on in the poll that finds it ready. `futures` of the same task go on meanwhile.
    ///
    /// C stays on its thread, and the callback parks the thread as in a plain call, if Rust under C drives an executor of its own
    /// at that moment, on the same C stack, that is polling a call, a scope or a tokio task, or if another runtime was entered there.
    ///
    /// A suspended call takes a C stack: choose a [`stack_size`](Self::stack_size) that fits if there are to be many. It is address
    /// space; resident is what C has touched, at least a page of 4 KiB. The number of stacks is bounded by memory where guards
    /// need no mapping of their own, else by `vm.max_map_count` ([`Guards`](crate::Guards)).
    ///
    /// # Cancellation
    ///
    /// `select!`, `timeout` and `abort` act at callbacks. A suspended call that is dropped, on whatever thread, resumes C there,
    /// within the drop: this callback is refused with [`Refused::Cancelled`](crate::Refused::Cancelled) (or answered, if its future was
    /// ready already), all that follow are refused, and C runs until it returns. No slot is ceded for that, so a worker's
    /// other tasks wait as long as C takes to give up. A runtime that shuts down drops its tasks, and so does the same.
    ///
    /// # Errors
    ///
    /// [`callback_local`](crate::callback_local) is refused with [`Refused::NotLocal`](crate::Refused::NotLocal) under such a call.
    ///
    /// # Panics
    ///
    /// As for every call: from the awaiting task, when C has returned. The panic's own thread may have been another one.
    ///
    /// # What is kept with the call
    ///
    /// errno, C++'s exceptions, and what [`Config::on_switch`](crate::Config::on_switch) keeps (`leave` is called on the thread
    /// that C leaves, `enter` on that where it goes on). Nothing else that is kept for each thread.
    ///
    /// # Safety
    ///
    /// At every callback that `f` may make, for as long as its future is not ready, the stack that `f` and C run on is nobody's,
    /// and then another thread's. Whoever calls this promises, for `f`, for the C it calls and for the Rust code under that C:
    ///
    /// 1. **Nothing is forgotten that is borrowed.** If `f` borrows, the call is not forgotten (`std::mem::forget`, a cycle of
    ///    reference counts, an executor that leaks its tasks) while it is suspended, and what `f` borrows is not touched by others in
    ///    a way that the borrow forbids until the call is dropped. A call that owns what it uses may be forgotten: its stack, and
    ///    what C holds, leak.
    /// 2. **Nothing that belongs to a thread is held across a callback**: no mutex, recursive or not, of C's or of Rust's
    ///    (`MutexGuard`), for POSIX has the thread that locks unlock, and others of the first thread's calls would find it locked
    ///    by themselves; no `RefCell` borrow or `Rc` of a thread-local's; no entered span, runtime handle or current context; no
    ///    value that is not `Send`, unless nothing but this stack refers to what it refers to.
    /// 3. **Nothing that is remembered of a thread is used after a callback**: no pointer into a thread-local of C's
    ///    (`__thread`, `thread_local`, `pthread_getspecific`) or of Rust's, no address of `errno`, no thread id or handle.
    /// 4. **No compiler remembers it either.** A compiler may find the address of a thread-local once in a function and use it to the
    ///    function's end, past the callback; that of `errno` too (`__errno_location` is declared `const`). So no *one* function,
    ///    with all that is inlined into it, uses thread-locals both before and after a point where C may call back. C that is
    ///    compiled as a library, and reports through a function pointer, mostly satisfies this; look for `errno` around the
    ///    call of the pointer. In Rust put such uses into functions that are `#[inline(never)]` and do not return the address. An
    ///    executor that is driven under C is such a use, of its own thread-locals and, if it polls a call, of this crate's;
    ///    [`callback`](crate::callback()) and what a [`Callback`](crate::Callback) gives to C are none. The `block_on` of the runtime that
    ///    the call is made on is not called under C at all: that it was entered cannot be seen.
    /// 5. **The library is bound to no thread**: it may be entered by one thread and be left by another (no Tcl, no EGL or OpenGL
    ///    context that is current, no CPython, no JVM; SQLite with `SQLITE_CONFIG_MULTITHREAD` or `SQLITE_OPEN_NOMUTEX`, not in
    ///    serialized mode). It keeps no error queue or similar for each thread that it looks at after a callback (OpenSSL, libgit2), or
    ///    `Config::on_switch` moves that.
    /// 6. **The stack is used as a stack**: C does not jump out of a callback or into one (`longjmp`), does not compare
    ///    addresses with the bounds of a thread's stack, and no pointer into the stack is used by another thread while C is
    ///    suspended, unless it would be right for that thread to use it at that moment while C runs.
    ///
    /// It is checked, and ends the process, that the thread refers to no frame of this crate's on a stack that is set aside. The rest
    /// cannot be seen.
    pub unsafe fn migratable(mut self) -> Self {
        self.core
            .label()
            .manner
            .set_aside_by(GroundKind::Migratable);
        self
    }
}
