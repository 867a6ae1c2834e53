//! libcurl, through the `curl` crate's own safe closures: they await, and a transfer waits for them.

mod headers;
mod panicking;
mod progress;
mod read;
mod refused;
mod server;
mod suspended;
mod write;

use curl::easy::Easy;

/// A handle for a URL on this host, whatever proxies the environment asks for.
fn easy(url: &str) -> Easy {
    let mut easy = Easy::new();
    easy.url(url).unwrap();
    easy.noproxy("*").unwrap();
    easy
}
