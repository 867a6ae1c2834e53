//! The C library's own blocking functions, each on a runtime with one worker.

mod bare;
mod getaddrinfo;
mod glob;
mod nanosleep;
mod nftw;
mod pipe;
mod qsort;
mod qsort_without_data;
