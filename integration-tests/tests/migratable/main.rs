//! A migratable call is suspended while a callback is pending, on every runtime, and goes on on the thread that polls it next.

mod cancelled;
mod flavours;
mod hands;
mod held;
mod moved;
mod nested;
mod panicking;
mod storm;
