//! Lua, and the C between it and Rust, for the tests of `cede`.
//!
//! Lua's errors are jumps over frames, which Rust's frames do not survive. `c/between.c` says by
//! which rules none of them is ever jumped over; from here that means:
//!
//! - every function that is declared here catches Lua's errors, and returns a status;
//! - a [`Body`] and a [`WatchBody`] return a code, and C raises the error;
//! - nothing else of Lua's is called.
//!
//! A state belongs to no thread: any may use it, one at a time.

use std::ffi::{c_char, c_int, c_void};

/// A Lua state, as C sees it.
#[repr(C)]
#[derive(Debug)]
pub struct RawState {
    _opaque: [u8; 0],
}

/// What a [`Body`] returns when there is a result, or a [`WatchBody`] when Lua is to go on.
pub const DONE: c_int = 0;
/// What a body returns to raise the error "callback failed".
pub const FAILED: c_int = 1;
/// What a body returns to raise the error "callback refused".
pub const REFUSED: c_int = 2;

/// Lua's statuses.
pub const LUA_OK: c_int = 0;
/// A run-time error, or one that a body has raised.
pub const LUA_ERRRUN: c_int = 2;
/// Not enough memory.
pub const LUA_ERRMEM: c_int = 4;

/// A function that Lua calls. It does not unwind; `lua` is the coroutine that called.
pub type Body = unsafe extern "C" fn(
    data: *mut c_void,
    lua: *mut RawState,
    argument: i64,
    result: *mut i64,
) -> c_int;

/// What is called while Lua runs. It does not unwind.
pub type WatchBody = unsafe extern "C" fn(data: *mut c_void) -> c_int;

/// Lua's allocator: `realloc`, and `free` where `new` is zero. It does not unwind, and does not fail to
/// make a block smaller.
pub type Alloc = unsafe extern "C" fn(
    data: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void;

/// What a state is watched by.
#[repr(C)]
#[derive(Debug)]
pub struct Watcher {
    /// What is called.
    pub body: WatchBody,
    /// What it is given.
    pub data: *mut c_void,
}

unsafe extern "C" {
    /// A state with Lua's own libraries; null if there is not enough memory.
    ///
    /// # Safety
    ///
    /// `alloc` is an [`Alloc`] for `data`, on any thread, until the state is closed.
    #[link_name = "cede_fx_lua_new"]
    pub fn new(alloc: Alloc, data: *mut c_void) -> *mut RawState;

    /// Closes a state.
    ///
    /// # Safety
    ///
    /// The state is open, and not used any more.
    #[link_name = "cede_fx_lua_close"]
    pub fn close(lua: *mut RawState);

    /// Defines a global function of one integer. Returns Lua's status.
    ///
    /// # Safety
    ///
    /// The state is open and used by nobody else; `name` ends in NUL; `body` may be called with `data` on any
    /// thread that uses the state, until it is closed.
    #[link_name = "cede_fx_lua_define"]
    pub fn define(lua: *mut RawState, name: *const c_char, body: Body, data: *mut c_void) -> c_int;

    /// Has `watcher` called each time that so many instructions have run.
    ///
    /// # Safety
    ///
    /// The state is open and used by nobody else; `watcher` stays where it is, and may be called on any thread that
    /// uses the state, until it is closed.
    #[link_name = "cede_fx_lua_watch"]
    pub fn watch(lua: *mut RawState, watcher: *mut Watcher, instructions: c_int);

    /// Runs a chunk. Returns Lua's status, with the integer in `result` or the text, cut to fit, in `message`.
    ///
    /// # Safety
    ///
    /// The state is open and used by nobody else, or the one that the caller's [`Body`] was given; `chunk` ends in
    /// NUL; there is room for the result and for so many bytes of message.
    #[link_name = "cede_fx_lua_run"]
    pub fn run(
        lua: *mut RawState,
        chunk: *const c_char,
        result: *mut i64,
        message: *mut c_char,
        room: usize,
    ) -> c_int;
}
