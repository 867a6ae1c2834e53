//! `getaddrinfo`: the resolver's own use of stack, files and locks.

use cede_integration_tests::on_worker;
use std::ffi::{CStr, c_int};
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr::{null, null_mut};

/// The addresses of a host, or the resolver's code. It blocks, as C does.
fn resolve(host: &CStr, flags: c_int) -> Result<Vec<IpAddr>, c_int> {
    // SAFETY: all zeroes are hints that ask for nothing.
    let mut hints: libc::addrinfo = unsafe { zeroed() };
    hints.ai_flags = flags;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = null_mut();
    // SAFETY: the name ends in NUL, there is no service, and there is room for the result.
    let code = unsafe { libc::getaddrinfo(host.as_ptr(), null(), &hints, &mut list) };
    if code != 0 {
        return Err(code);
    }
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: the list's nodes are there until it is freed.
    while let Some(info) = unsafe { next.as_ref() } {
        // SAFETY: the resolver has filled the node in.
        addresses.extend(unsafe { address(info) });
        next = info.ai_next;
    }
    // SAFETY: it is the resolver's, and freed once.
    unsafe { libc::freeaddrinfo(list) };
    Ok(addresses)
}

/// # Safety
///
/// `info` was filled in by the resolver.
unsafe fn address(info: &libc::addrinfo) -> Option<IpAddr> {
    match info.ai_family {
        libc::AF_INET => {
            // SAFETY: that is what the family says.
            let address = unsafe { &*info.ai_addr.cast::<libc::sockaddr_in>() };
            let bytes = address.sin_addr.s_addr.to_ne_bytes();
            Some(Ipv4Addr::from(bytes).into())
        }
        libc::AF_INET6 => {
            // SAFETY: that is what the family says.
            let address = unsafe { &*info.ai_addr.cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[test]
fn localhost_is_this_host_for_many_tasks_at_once() {
    on_worker(1, async {
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                tokio::spawn(async {
                    let call = cede::call(|| resolve(c"localhost", 0));
                    call.named("getaddrinfo").await.expect("localhost is known")
                })
            })
            .collect();
        for task in tasks {
            let addresses = task.await.unwrap();
            assert!(!addresses.is_empty());
            assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
        }
    });
}

#[test]
fn the_resolvers_own_code_comes_back() {
    on_worker(1, async {
        let numeric = libc::AI_NUMERICHOST;
        let code = cede::call(|| resolve(c"localhost", numeric)).await;
        assert_eq!(code, Err(libc::EAI_NONAME));
        let address = cede::call(|| resolve(c"127.0.0.1", numeric)).await;
        assert_eq!(address, Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
    });
}
