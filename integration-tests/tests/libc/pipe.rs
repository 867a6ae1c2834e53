//! `read` and `write` on pipes: C waits for what other tasks of the same worker do.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: there is room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: the descriptors are new, and nobody else has them.
    let ends = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    ends.into()
}

/// One `read` in C.
async fn read(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    cede::call(|| {
        // SAFETY: the buffer is there and borrowed until C has returned.
        unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) }
    })
    .named("read")
    .or_errno()
    .await
    .map(isize::unsigned_abs)
}

/// One `write` in C.
async fn write(fd: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    cede::call(|| {
        // SAFETY: the bytes are there and borrowed until C has returned.
        unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) }
    })
    .named("write")
    .or_errno()
    .await
    .map(isize::unsigned_abs)
}

#[test]
fn a_reader_in_c_is_woken_by_a_task_of_the_same_worker() {
    let _watchdog = Watchdog::new("read");
    on_worker(1, async {
        let (reader, writer) = pipe();
        // Runs only when the worker is free again: the reader does not await before it is in C.
        let writer = tokio::spawn(async move { write(&writer, b"hello").await });
        let mut buffer = [0; 16];
        assert_eq!(read(&reader, &mut buffer).await.unwrap(), 5);
        assert_eq!(&buffer[..5], b"hello");
        assert_eq!(writer.await.unwrap().unwrap(), 5);
        assert_eq!(
            read(&reader, &mut buffer).await.unwrap(),
            0,
            "the writer has gone"
        );
    });
}

#[test]
fn two_tasks_in_c_play_ping_pong_on_one_worker() {
    const ROUNDS: u32 = 200;

    /// Answers every number with the next one, until the other end is closed.
    async fn echo(from: OwnedFd, to: OwnedFd) -> u32 {
        let mut last = 0;
        let mut word = [0; 4];
        while read(&from, &mut word).await.unwrap() == 4 {
            last = u32::from_ne_bytes(word);
            if last == ROUNDS {
                break;
            }
            write(&to, &(last + 1).to_ne_bytes()).await.unwrap();
        }
        last
    }

    let _watchdog = Watchdog::new("ping-pong");
    on_worker(1, async {
        let (from_a, to_b) = pipe();
        let (from_b, to_a) = pipe();
        let service = to_b.try_clone().unwrap();
        let a = tokio::spawn(echo(from_b, to_b));
        let b = tokio::spawn(echo(from_a, to_a));
        write(&service, &1_u32.to_ne_bytes()).await.unwrap();
        drop(service);
        let (a, b) = (a.await.unwrap(), b.await.unwrap());
        assert_eq!(a.max(b), ROUNDS);
    });
}

#[test]
fn a_writer_in_c_waits_for_room_that_its_reader_makes() {
    /// More than a pipe holds.
    const BYTES: usize = 4 << 20;

    let _watchdog = Watchdog::new("write");
    on_worker(1, async {
        let (reader, writer) = pipe();
        let sent: Vec<u8> = (0..BYTES).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            let mut rest = sent.as_slice();
            while !rest.is_empty() {
                rest = &rest[write(&writer, rest).await.unwrap()..];
            }
        });
        let mut received = Vec::with_capacity(BYTES);
        let mut buffer = vec![0; 3000];
        loop {
            let n = read(&reader, &mut buffer).await.unwrap();
            if n == 0 {
                break;
            }
            received.extend_from_slice(&buffer[..n]);
        }
        writer.await.unwrap();
        assert!(received == expected, "the bytes arrive as they were sent");
    });
}

#[test]
fn the_errno_of_a_failed_read_is_the_error() {
    on_worker(1, async {
        let (_reader, writer) = pipe();
        let error = read(&writer, &mut [0]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    });
}
