//! Lua under calls: its functions, hooks and allocator await, and its errors, which are jumps, jump
//! over no Rust frame.

mod allocator;
mod coroutines;
mod errors;
mod function;
mod hook;
mod recursion;
mod state;
mod suspended;
