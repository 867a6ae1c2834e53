//! zlib under calls: streams that go through C a little at a time, and memory that C has to wait for.

mod allocator;
mod round_trip;
mod stream;
