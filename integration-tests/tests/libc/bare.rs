//! Functions of the C library whose callbacks have no user data: `qsort`, `nftw`, `glob`.

use cede::Callback;
use cede_integration_tests::on_worker;
use futures::FutureExt;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::mem::{transmute, zeroed};
use std::os::unix::ffi::OsStrExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::mpsc;

/// A directory of this test's own, gone when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(files: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "cede-bare-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        for file in files {
            fs::write(path.join(file), file).unwrap();
        }
        Self(path)
    }

    fn c_path(&self, more: &str) -> CString {
        CString::new(self.0.join(more).as_os_str().as_bytes()).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Numbers in disorder, the same every time, and in order.
fn numbers() -> (Vec<u32>, Vec<u32>) {
    let disorder: Vec<u32> = (0..500_u32)
        .map(|i| i.wrapping_mul(2_654_435_761))
        .collect();
    let mut order = disorder.clone();
    order.sort_unstable();
    (disorder, order)
}

/// # Safety
///
/// `a` and `b` point to numbers.
unsafe fn compare(a: *const c_void, b: *const c_void) -> c_int {
    // SAFETY: by this function's contract.
    let a = unsafe { *a.cast::<u32>() };
    // SAFETY: as above.
    let b = unsafe { *b.cast::<u32>() };
    a.cmp(&b) as c_int
}

type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;

fn qsort(numbers: &mut [u32], compare: Compare) {
    let (base, count) = (numbers.as_mut_ptr().cast(), numbers.len());
    // SAFETY: so many numbers are there until C has returned, and `compare` is for them.
    unsafe { libc::qsort(base, count, size_of::<u32>(), Some(compare)) };
}

#[test]
fn qsort_with_a_comparator_that_awaits() {
    on_worker(1, async {
        let (mut numbers, order) = numbers();
        let mut asked = 0;
        let comparator = Callback::new(0, async |a: *const c_void, b: *const c_void| {
            asked += 1;
            tokio::task::yield_now().await;
            // SAFETY: `qsort` passes two of the numbers.
            unsafe { compare(a, b) }
        });
        cede::call(|| comparator.bare(|compare| qsort(&mut numbers, compare))).await;
        assert_eq!(numbers, order);
        assert!(asked >= 499, "{asked} comparisons");
    });
}

#[test]
fn qsort_with_a_leaf() {
    let comparator = Callback::leaf(0, |a: *const c_void, b: *const c_void| {
        // SAFETY: `qsort` passes two of the numbers.
        unsafe { compare(a, b) }
    });
    let (mut sorted, order) = numbers();
    comparator.bare(|compare| qsort(&mut sorted, compare));
    assert_eq!(sorted, order, "also outside of a call");
    on_worker(1, async move {
        let (mut numbers, _) = numbers();
        cede::call(|| comparator.bare(|compare| qsort(&mut numbers, compare))).await;
        assert_eq!(numbers, order);
    });
}

#[test]
fn qsort_with_a_leaf_that_panics_loses_no_number() {
    on_worker(1, async {
        let (mut sorted, order) = numbers();
        let mut asked = 0;
        let comparator = Callback::leaf(0, |a: *const c_void, b: *const c_void| {
            asked += 1;
            assert!(asked < 10, "enough compared");
            // SAFETY: `qsort` passes two of the numbers.
            unsafe { compare(a, b) }
        });
        let call = cede::call(|| comparator.bare(|compare| qsort(&mut sorted, compare)));
        let panic = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"enough compared"));
        assert_eq!(asked, 10);
        sorted.sort_unstable();
        assert_eq!(sorted, order);
    });
}

/// `struct FTW`.
#[repr(C)]
struct Ftw {
    base: c_int,
    level: c_int,
}

type Visit = unsafe extern "C" fn(*const c_char, *const libc::stat, c_int, *mut c_void) -> c_int;

// SAFETY: the signature is that of POSIX, but for the visitor's last argument, a `struct FTW *`.
unsafe extern "C" {
    fn nftw(path: *const c_char, visit: Visit, descriptors: c_int, flags: c_int) -> c_int;
}

#[test]
fn nftw_whose_files_go_to_another_task() {
    on_worker(1, async {
        let directory = Directory::new(&["a", "bb", "ccc"]);
        let path = directory.c_path("");
        let (send, mut receive) = mpsc::channel::<(String, i64)>(1);
        let reader = tokio::spawn(async move {
            let mut files = Vec::new();
            while let Some(file) = receive.recv().await {
                files.push(file);
            }
            files.sort();
            files
        });
        let visit = Callback::sendable(
            -1,
            move |path: *const c_char, stat: *const libc::stat, _: c_int, ftw: *mut c_void| {
                // SAFETY: `nftw` passes a path.
                let path = unsafe { CStr::from_ptr(path) }.to_str().unwrap();
                let name = Path::new(path).file_name().unwrap().to_str().unwrap();
                // SAFETY: and what is known of the file.
                let size = unsafe { (*stat).st_size };
                // SAFETY: and where it is.
                let level = unsafe { (*ftw.cast::<Ftw>()).level };
                let (file, send) = ((name.to_owned(), size), send.clone());
                async move {
                    if level == 1 {
                        return send.send(file).await.map_or(1, |()| 0);
                    }
                    0
                }
            },
        );
        // SAFETY: path and callback are there until C has returned.
        let call = cede::call(|| visit.bare(|visit| unsafe { nftw(path.as_ptr(), visit, 8, 0) }));
        assert_eq!(call.named("nftw").or_errno().await.unwrap(), 0);
        drop(visit);
        let files = [("a", 1), ("bb", 2), ("ccc", 3)];
        assert_eq!(
            reader.await.unwrap(),
            files.map(|(name, size)| (name.to_owned(), size))
        );
    });
}

type Failed = unsafe extern "C" fn(*const c_char, c_int) -> c_int;

fn glob(pattern: &CStr, failed: Failed) -> c_int {
    // SAFETY: `glob` keeps to the contract of what it calls, though its type does not ask it to.
    let failed =
        unsafe { transmute::<Failed, extern "C" fn(*const c_char, c_int) -> c_int>(failed) };
    // SAFETY: all zeroes are a result that is not there yet.
    let mut found: libc::glob_t = unsafe { zeroed() };
    // SAFETY: the pattern ends in NUL, and there is room for the result.
    let code = unsafe { libc::glob(pattern.as_ptr(), 0, Some(failed), &mut found) };
    // SAFETY: the result is `glob`'s.
    unsafe { libc::globfree(&mut found) };
    code
}

#[test]
fn glob_that_asks_whether_to_go_on_after_an_error() {
    on_worker(1, async {
        let directory = Directory::new(&[]);
        let link = directory.0.join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        let pattern = directory.c_path("loop/*");
        let mut asked = Vec::new();
        let callback = Callback::new(-1, async |path: *const c_char, errno: c_int| {
            // SAFETY: `glob` passes a path.
            asked.push((unsafe { CStr::from_ptr(path) }.to_owned(), errno));
            tokio::task::yield_now().await;
            c_int::from(asked.len() == 1)
        });
        let mut codes = Vec::new();
        for _ in 0..2 {
            let call = cede::call(|| callback.bare(|failed| glob(&pattern, failed)));
            codes.push(call.named("glob").await);
        }
        assert_eq!(codes, [libc::GLOB_ABORTED, libc::GLOB_NOMATCH]);
        let looped = (directory.c_path("loop"), libc::ELOOP);
        assert_eq!(asked, [looped.clone(), looped]);
    });
}
