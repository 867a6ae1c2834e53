//! SQLite under calls: what it calls back awaits, and it keeps its own rules when that fails.

mod aggregate;
mod authorizer;
mod busy_handler;
mod collation;
mod connection;
mod exec;
mod function;
mod hooks;
mod interrupted;
mod memory;
mod migrating;
mod nested_sql;
mod panicking;
mod progress_handler;
mod refused;
mod suspended;
mod typed;
mod vfs;
mod ways;
