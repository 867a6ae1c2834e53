//! A blocking `read` that nobody answers: cancelled, it ends with `EINTR`, and its descriptor is free again.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tokio::time::sleep;

/// What the device sent, or the error. It blocks, as C does.
fn read(device: &UnixStream) -> io::Result<u8> {
    let mut byte = 0_u8;
    // SAFETY: there is room for one byte.
    match unsafe { libc::read(device.as_raw_fd(), (&raw mut byte).cast(), 1) } {
        1 => Ok(byte),
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads with a limit, and gives the device back in any case.
async fn read_within(device: UnixStream, limit: Duration) -> (UnixStream, io::Result<u8>) {
    let work = move || {
        let read = read(&device);
        (device, read)
    };
    let (canceller, call) = cede::offload(work)
        .named("read")
        .on_cancel(cede::Cancel::Signal)
        .cancellable();
    let mut call = std::pin::pin!(call);
    tokio::select! {
        returned = &mut call => return returned.expect("nobody has cancelled"),
        () = sleep(limit) => canceller.cancel(),
    }
    // Not long from now: the signal is repeated until C has returned.
    call.await.expect("C has begun long since")
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let (device, mut other_end) = UnixStream::pair()?;

    let (device, nothing) = read_within(device, Duration::from_millis(50)).await;
    println!("{nothing:?}");
    assert_eq!(nothing.unwrap_err().kind(), io::ErrorKind::Interrupted);

    other_end.write_all(b"x")?;
    let (_, byte) = read_within(device, Duration::from_secs(10)).await;
    assert_eq!(byte?, b'x');
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
