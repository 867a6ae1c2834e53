//! The C library's own blocking functions, each on a runtime with one worker.

mod getaddrinfo;
mod nanosleep;
mod pipe;
mod qsort;
