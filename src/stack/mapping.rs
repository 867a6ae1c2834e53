//! Address space from the kernel, and guards in it: the one file that names `mmap` and its kin.

use crate::config::{self, Guards};
use crate::observe::gauge;
use std::io;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// Bytes below each stack that nobody may touch. Four pages, since C compiled without stack probes may step over one.
pub(super) const GUARD: usize = 16 << 10;

/// The largest page size that the layout copes with: guards and stacks are multiples of it.
pub(super) const PAGE: usize = 4 << 10;

/// One anonymous private mapping, readable and writable, of which nothing is committed until it is touched.
#[derive(Debug)]
pub(super) struct Mapping {
    start: usize,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes, a multiple of the page size.
    pub(super) fn new(len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice disturbs nothing that exists.
        let start = unsafe { libc::mmap(null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        gauge::STACK_BYTES_MAPPED.add(len);
        let mapping = Self {
            start: start as usize,
            len,
        };
        mapping.refuse_huge_pages();
        Ok(mapping)
    }

    /// The start, for whoever sees to it that the mapping goes.
    pub(super) fn leak(self) -> usize {
        std::mem::ManuallyDrop::new(self).start
    }

    /// What was [leaked](Self::leak).
    ///
    /// # Safety
    ///
    /// It was, with this length, and is not reclaimed again.
    pub(super) unsafe fn reclaim(start: usize, len: usize) -> Self {
        Self { start, len }
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// A huge page would commit 2 MiB where a call touches 4 KiB.
    #[cfg(target_os = "linux")]
    fn refuse_huge_pages(&self) {
        // SAFETY: the range is ours; the advice does not change what it holds. Failure is harmless.
        unsafe { libc::madvise(self.start as *mut _, self.len, libc::MADV_NOHUGEPAGE) };
    }

    #[cfg(not(target_os = "linux"))]
    fn refuse_huge_pages(&self) {}
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and whoever drops the mapping has given up every stack in it.
        let unmapped = unsafe { libc::munmap(self.start as *mut _, self.len) };
        debug_assert_eq!(unmapped, 0);
        gauge::STACK_BYTES_MAPPED.sub(self.len);
    }
}

/// Makes the guard at `start`, in the way that the kernel and the settings allow.
///
/// # Safety
///
/// `GUARD` bytes at `start` lie in a live [`Mapping`] and are used by nobody.
pub(super) unsafe fn install_guard(start: usize) -> io::Result<()> {
    if guards_need_no_mapping() {
        // SAFETY: by this function's contract.
        let installed = unsafe { libc::madvise(start as *mut _, GUARD, MADV_GUARD_INSTALL) };
        if installed == 0 {
            return Ok(());
        }
        // Memory that is locked (`mlockall`) may not have such guards: fall back to the other kind.
    }
    // SAFETY: by this function's contract.
    match unsafe { libc::mprotect(start as *mut _, GUARD, libc::PROT_NONE) } {
        0 => Ok(()),
        _ => Err(not_guarded(io::Error::last_os_error())),
    }
}

/// Names the limit that is mostly the reason.
#[cold]
fn not_guarded(error: io::Error) -> io::Error {
    if error.raw_os_error() != Some(libc::ENOMEM) {
        return error;
    }
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    let limit = limit.as_deref().map_or("unknown", str::trim);
    let message = format!(
        "the kernel has no mapping left for its guard: {error}. A stack whose guard is made by mprotect takes two, and a \
         process may have vm.max_map_count = {limit}"
    );
    io::Error::new(io::ErrorKind::OutOfMemory, message)
}

/// Gives the memory of a range back; it reads as zero when it is touched again. Guards stay.
///
/// # Safety
///
/// The range lies in a live [`Mapping`], and nobody needs what it holds.
pub(super) unsafe fn give_back(start: usize, len: usize) {
    // SAFETY: by this function's contract. Failure leaves the memory committed, which is harmless.
    unsafe { libc::madvise(start as *mut _, len, libc::MADV_DONTNEED) };
}

/// Whether the page that starts at `address` is committed. `true` if the kernel does not tell.
pub(super) fn is_resident(address: usize) -> bool {
    debug_assert_eq!(address % PAGE, 0);
    let mut resident = 1u8;
    // SAFETY: mincore writes one byte for the one page asked about, and fails if it is not mapped.
    let told = unsafe { libc::mincore(address as *mut _, PAGE, (&raw mut resident).cast()) };
    told != 0 || resident & 1 == 1
}

/// From linux/mman.h, since Linux 6.13: guard pages that live in the page table instead of splitting the mapping.
const MADV_GUARD_INSTALL: libc::c_int = 102;

fn guards_need_no_mapping() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        config::get().guards == Guards::Auto && cfg!(target_os = "linux") && try_guard()
    })
}

fn try_guard() -> bool {
    let Ok(trial) = Mapping::new(GUARD) else {
        return false;
    };
    // SAFETY: the range is the trial mapping, which nobody uses.
    unsafe { libc::madvise(trial.start() as *mut _, GUARD, MADV_GUARD_INSTALL) == 0 }
}
