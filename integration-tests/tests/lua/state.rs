//! As much of a safe Lua as the tests need. What it registers are futures.

use cede_fixtures_lua::*;
use std::any::Any;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::future::Future;
use std::ptr::null_mut;

/// What Lua says when a chunk has failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: c_int,
    pub(crate) message: String,
}

pub(crate) type Outcome = Result<i64, Failure>;

/// A state, for any thread, one at a time.
pub(crate) struct State {
    raw: Raw,
    /// What the registered callbacks refer to.
    kept: Vec<Box<dyn Any + Send>>,
}

/// A state, for use by the code that Lua calls.
#[derive(Clone, Copy)]
pub(crate) struct Raw(*mut RawState);

// SAFETY: a state belongs to no thread; the tests use one from a single task.
unsafe impl Send for Raw {}

/// A watcher whose data is for any thread.
#[repr(transparent)]
struct Kept {
    _watcher: Watcher,
}

// SAFETY: the data is a closure that is `Send`.
unsafe impl Send for Kept {}

impl State {
    /// With the allocator of C.
    pub(crate) fn new() -> Self {
        unsafe extern "C" fn alloc(
            _: *mut c_void,
            block: *mut c_void,
            _: usize,
            new: usize,
        ) -> *mut c_void {
            if new > 0 {
                // SAFETY: Lua's block is from here, or null.
                return unsafe { libc::realloc(block, new) };
            }
            // SAFETY: as above.
            unsafe { libc::free(block) };
            null_mut()
        }
        // SAFETY: the allocator is as Lua expects, and takes no data.
        unsafe { Self::with(alloc, null_mut()) }.expect("there is enough memory")
    }

    /// `None` if there is not enough memory.
    ///
    /// # Safety
    ///
    /// As of [`new`].
    pub(crate) unsafe fn with(alloc: Alloc, data: *mut c_void) -> Option<Self> {
        // SAFETY: by this function's contract.
        let raw = unsafe { new(alloc, data) };
        (!raw.is_null()).then(|| Self {
            raw: Raw(raw),
            kept: Vec::new(),
        })
    }

    pub(crate) fn raw(&self) -> Raw {
        self.raw
    }

    /// Runs a chunk in C.
    pub(crate) async fn run(&mut self, chunk: &str) -> Outcome {
        let raw = self.raw;
        cede::call(move || raw.run(chunk)).named("lua_pcall").await
    }

    /// Defines a function of one integer. `None` is an error in Lua.
    pub(crate) fn define<F, Fut>(&mut self, name: &CStr, f: F)
    where
        F: Fn(i64) -> Fut + Send + 'static,
        Fut: Future<Output = Option<i64>> + Send,
    {
        self.define_with_state(name, move |_, argument| f(argument));
    }

    /// As [`define`](Self::define), for functions that run chunks themselves.
    pub(crate) fn define_with_state<F, Fut>(&mut self, name: &CStr, f: F)
    where
        F: Fn(Raw, i64) -> Fut + Send + 'static,
        Fut: Future<Output = Option<i64>> + Send,
    {
        unsafe extern "C" fn body<F, Fut>(
            data: *mut c_void,
            lua: *mut RawState,
            argument: i64,
            result: *mut i64,
        ) -> c_int
        where
            F: Fn(Raw, i64) -> Fut,
            Fut: Future<Output = Option<i64>> + Send,
        {
            // SAFETY: registered with a closure of this type, which is kept.
            let f = unsafe { &*data.cast::<F>() };
            match cede::callback(f(Raw(lua), argument)) {
                Ok(Some(number)) => {
                    // SAFETY: C provides room for the result.
                    unsafe { result.write(number) };
                    DONE
                }
                Ok(None) => FAILED,
                Err(_) => REFUSED,
            }
        }
        let data = self.keep(f);
        // SAFETY: the state is ours, the name ends in NUL, and the body is for what `data` points to.
        let status = unsafe { define(self.raw.0, name.as_ptr(), body::<F, Fut>, data) };
        assert_eq!(status, LUA_OK);
    }

    /// Asks `goes_on` now and then, while a chunk runs, whether to go on.
    pub(crate) fn watch<F, Fut>(&mut self, goes_on: F)
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = bool> + Send,
    {
        const EVERY_SO_MANY_INSTRUCTIONS: c_int = 1000;

        unsafe extern "C" fn body<F, Fut>(data: *mut c_void) -> c_int
        where
            F: Fn() -> Fut,
            Fut: Future<Output = bool> + Send,
        {
            // SAFETY: registered with a closure of this type, which is kept.
            let goes_on = unsafe { &*data.cast::<F>() };
            match cede::callback(goes_on()) {
                Ok(true) => DONE,
                Ok(false) => FAILED,
                Err(_) => REFUSED,
            }
        }
        let data = self.keep(goes_on);
        let body = body::<F, Fut>;
        let _watcher = Watcher { body, data };
        let watcher = self.keep(Kept { _watcher }).cast();
        // SAFETY: the state is ours, and the watcher is kept.
        unsafe { watch(self.raw.0, watcher, EVERY_SO_MANY_INSTRUCTIONS) };
    }

    /// Keeps a value for as long as the state is open.
    fn keep<T: Send + 'static>(&mut self, value: T) -> *mut c_void {
        let mut value = Box::new(value);
        let data = (&raw mut *value).cast();
        self.kept.push(value);
        data
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: open until here. What is kept goes afterwards.
        unsafe { close(self.raw.0) };
    }
}

impl Raw {
    /// Runs a chunk that returns an integer. It blocks, as C does.
    pub(crate) fn run(self, chunk: &str) -> Outcome {
        let chunk = CString::new(chunk).unwrap();
        let mut result = 0;
        let mut message: [c_char; 200] = [0; 200];
        let (text, room) = (message.as_mut_ptr(), message.len());
        // SAFETY: the state is open, the chunk ends in NUL, and there is room for result and message.
        let status = unsafe { run(self.0, chunk.as_ptr(), &mut result, text, room) };
        if status == LUA_OK {
            return Ok(result);
        }
        // SAFETY: there is a message, and it ends in NUL.
        let message = unsafe { CStr::from_ptr(text) };
        Err(Failure {
            status,
            message: message.to_string_lossy().into_owned(),
        })
    }
}
