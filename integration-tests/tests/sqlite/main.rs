//! SQLite under calls: what it calls back awaits, and it keeps its own rules when that fails.

mod busy_handler;
mod collation;
mod connection;
mod function;
mod nested_sql;
mod panicking;
mod progress_handler;
mod refused;
mod suspended;
