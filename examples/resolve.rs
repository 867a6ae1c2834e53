//! `getaddrinfo` with a deadline. The resolver cannot be interrupted, so it is left to its end when the deadline passes; before the
//! program ends it is waited for.

use std::ffi::{CStr, CString};
use std::mem::zeroed;
use std::net::Ipv4Addr;
use std::ptr::{null, null_mut};
use std::time::Duration;
use tokio::time::timeout;

/// The host's first IPv4 address, or the resolver's words. It blocks, as C does.
fn resolve(host: &CStr) -> Result<Ipv4Addr, String> {
    // SAFETY: all zeroes are hints that ask for nothing.
    let mut hints: libc::addrinfo = unsafe { zeroed() };
    hints.ai_family = libc::AF_INET;
    let mut list = null_mut();
    // SAFETY: the name ends in NUL, there is no service, and there is room for the result.
    let code = unsafe { libc::getaddrinfo(host.as_ptr(), null(), &hints, &mut list) };
    if code != 0 {
        // SAFETY: a constant string of the C library's.
        let message = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
        return Err(message.to_string_lossy().into_owned());
    }
    // SAFETY: a success has at least one entry.
    let socket = unsafe { (*list).ai_addr }.cast::<libc::sockaddr_in>();
    // SAFETY: of the family that was asked for.
    let address = unsafe { (*socket).sin_addr };
    // SAFETY: it is the resolver's, and freed once.
    unsafe { libc::freeaddrinfo(list) };
    Ok(Ipv4Addr::from(address.s_addr.to_ne_bytes()))
}

/// An address, if there is one soon.
async fn resolve_within(host: CString, limit: Duration) -> Result<Ipv4Addr, String> {
    let call = cede::offload(move || resolve(&host)).named("getaddrinfo");
    match timeout(limit, call).await {
        Ok(resolved) => resolved,
        Err(late) => Err(late.to_string()),
    }
}

#[tokio::main]
async fn main() {
    let localhost = resolve_within(c"localhost".to_owned(), Duration::from_secs(10)).await;
    println!("localhost: {localhost:?}");
    assert!(localhost.unwrap().is_loopback());

    let late = resolve_within(c"localhost".to_owned(), Duration::ZERO).await;
    println!("at once: {late:?}");

    if let Err(left) = cede::drain(Duration::from_secs(30)).await {
        println!("{left}");
    }
}

#[test]
fn runs() {
    main();
}
