//! Reading another thread's stack, which may be gone at any moment: by the kernel, which answers with an error where a read of ours
//! would be the end of the process.

use std::mem::MaybeUninit;

/// Copies what lies at `from`. `None` if nothing is mapped there, or the system does not let us.
///
/// What was read may have been changed meanwhile, or be something else altogether by now: that it is a `T` is for the caller to
/// find out.
pub(crate) fn copy<T>(from: *const T) -> Option<MaybeUninit<T>> {
    let mut to = MaybeUninit::uninit();
    read(from.addr(), (&raw mut to).cast(), size_of::<T>()).then_some(to)
}

#[cfg(target_os = "linux")]
fn read(from: usize, to: *mut u8, size: usize) -> bool {
    read_by_call(from, to, size) || read_by_file(from, to, size)
}

#[cfg(not(target_os = "linux"))]
fn read(_: usize, _: *mut u8, _: usize) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn read_by_call(from: usize, to: *mut u8, size: usize) -> bool {
    let local = libc::iovec {
        iov_base: to.cast(),
        iov_len: size,
    };
    let remote = libc::iovec {
        iov_base: std::ptr::without_provenance_mut(from),
        iov_len: size,
    };
    // SAFETY: takes nothing, and cannot fail.
    let own = unsafe { libc::getpid() };
    // SAFETY: `local` is `size` bytes that may be written; the kernel checks `remote`.
    let read = unsafe { libc::process_vm_readv(own, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(read) == Ok(size)
}

/// For sandboxes that forbid the other one.
#[cfg(target_os = "linux")]
fn read_by_file(from: usize, to: *mut u8, size: usize) -> bool {
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::sync::OnceLock;

    static MEMORY: OnceLock<Option<File>> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| File::open("/proc/self/mem").ok());
    let (Some(memory), Ok(offset)) = (memory, libc::off64_t::try_from(from)) else {
        return false;
    };
    // SAFETY: `to` is `size` bytes that may be written; the kernel checks the offset.
    let read = unsafe { libc::pread64(memory.as_raw_fd(), to.cast(), size, offset) };
    usize::try_from(read) == Ok(size)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read() {
        let number = 0x1234_5678_9ABC_DEF0_u64;
        let from = &raw const number;
        let mut to = 0_u64;
        let place = (&raw mut to).cast();
        let copy = copy(from).expect("it is there");
        // SAFETY: initialised, since the copy was made.
        assert_eq!(unsafe { copy.assume_init() }, number);
        assert!(read_by_file(from.addr(), place, 8));
        assert_eq!(to, number);
    }

    #[test]
    fn what_is_not_there_is_not() {
        assert!(copy::<u64>(std::ptr::without_provenance(8)).is_none());
        let mut to = 0_u64;
        assert!(!read_by_file(8, (&raw mut to).cast(), 8));
    }
}
