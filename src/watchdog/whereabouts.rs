//! What the kernel says of a thread: the system call it sits in.

use std::borrow::Cow;
use std::fs;

/// `running` if it is on a processor, or ready to be; the system call's name otherwise, or its number if it is not a common
/// one. `None` if the kernel does not tell, or the thread is held up outside of any system call.
pub(super) fn syscall(thread: i32) -> Option<Cow<'static, str>> {
    let line = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).ok()?;
    parse(&line)
}

/// `running`, or the number and what it was called with.
fn parse(line: &str) -> Option<Cow<'static, str>> {
    let first = line.split_whitespace().next()?;
    if first == "running" {
        return Some("running".into());
    }
    let number = first.parse().ok().filter(|&number| number >= 0)?;
    Some(name(number).map_or_else(|| first.to_owned().into(), Cow::from))
}

/// The name of each, from `libc`'s constant.
macro_rules! names {
    ($number:expr, $($name:ident = $constant:ident),+ $(,)?) => {
        match $number {
            $(libc::$constant => Some(stringify!($name)),)+
            _ => None,
        }
    };
}

/// Those that C sits in, for long, as a rule.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn name(number: libc::c_long) -> Option<&'static str> {
    let usual = names!(
        number,
        read = SYS_read,
        write = SYS_write,
        readv = SYS_readv,
        writev = SYS_writev,
        pread64 = SYS_pread64,
        pwrite64 = SYS_pwrite64,
        preadv = SYS_preadv,
        pwritev = SYS_pwritev,
        openat = SYS_openat,
        close = SYS_close,
        fsync = SYS_fsync,
        fdatasync = SYS_fdatasync,
        sync_file_range = SYS_sync_file_range,
        fallocate = SYS_fallocate,
        ftruncate = SYS_ftruncate,
        getdents64 = SYS_getdents64,
        statx = SYS_statx,
        unlinkat = SYS_unlinkat,
        flock = SYS_flock,
        fcntl = SYS_fcntl,
        ioctl = SYS_ioctl,
        sendfile = SYS_sendfile,
        splice = SYS_splice,
        copy_file_range = SYS_copy_file_range,
        io_uring_enter = SYS_io_uring_enter,
        ppoll = SYS_ppoll,
        pselect6 = SYS_pselect6,
        epoll_pwait = SYS_epoll_pwait,
        connect = SYS_connect,
        accept = SYS_accept,
        accept4 = SYS_accept4,
        sendto = SYS_sendto,
        recvfrom = SYS_recvfrom,
        sendmsg = SYS_sendmsg,
        recvmsg = SYS_recvmsg,
        sendmmsg = SYS_sendmmsg,
        recvmmsg = SYS_recvmmsg,
        futex = SYS_futex,
        nanosleep = SYS_nanosleep,
        clock_nanosleep = SYS_clock_nanosleep,
        rt_sigsuspend = SYS_rt_sigsuspend,
        rt_sigtimedwait = SYS_rt_sigtimedwait,
        wait4 = SYS_wait4,
        waitid = SYS_waitid,
        mmap = SYS_mmap,
        munmap = SYS_munmap,
        mprotect = SYS_mprotect,
        madvise = SYS_madvise,
        msync = SYS_msync,
        brk = SYS_brk,
        getrandom = SYS_getrandom,
        sched_yield = SYS_sched_yield,
        semtimedop = SYS_semtimedop,
        msgrcv = SYS_msgrcv,
        mq_timedreceive = SYS_mq_timedreceive,
        process_vm_readv = SYS_process_vm_readv,
        execve = SYS_execve,
        clone = SYS_clone,
    );
    usual.or_else(|| name_of_old(number))
}

/// Those that newer processors' ports do without.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    target_arch = "x86_64"
))]
fn name_of_old(number: libc::c_long) -> Option<&'static str> {
    names!(
        number,
        open = SYS_open,
        stat = SYS_stat,
        lstat = SYS_lstat,
        poll = SYS_poll,
        select = SYS_select,
        epoll_wait = SYS_epoll_wait,
        pause = SYS_pause,
        unlink = SYS_unlink,
        rename = SYS_rename,
        fork = SYS_fork,
        vfork = SYS_vfork,
    )
}

#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(target_arch = "x86_64")
))]
fn name_of_old(_: libc::c_long) -> Option<&'static str> {
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn name(_: libc::c_long) -> Option<&'static str> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let read = format!(
            "{} 0x3 0x7ffd 0x1 0x0 0x0 0x0 0x7ffc 0x7f12\n",
            libc::SYS_read
        );
        assert_eq!(parse(&read).as_deref(), Some("read"));
        assert_eq!(parse("running\n").as_deref(), Some("running"));
        assert_eq!(parse("9999 0x0\n").as_deref(), Some("9999"));
        assert_eq!(parse("-1 0x7ffc 0x7f12\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_thread_that_does_not_exist() {
        assert_eq!(syscall(i32::MAX), None);
    }
}
