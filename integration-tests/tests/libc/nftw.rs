//! `nftw`: a walk through a directory that waits for who is told of what is there.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

type Visit = unsafe extern "C" fn(*const c_char, *const libc::stat, c_int, *mut c_void) -> c_int;

unsafe extern "C" {
    /// From `ftw.h`, which the `libc` crate leaves out.
    fn nftw(root: *const c_char, visit: Visit, descriptors: c_int, flags: c_int) -> c_int;
}

/// What a visit returns to end the walk, and `nftw` then, too.
const NOBODY_LISTENS: c_int = 42;
const REFUSED: c_int = 43;

tokio::task_local!(static FOUND: mpsc::Sender<PathBuf>);

unsafe extern "C" fn visit(
    path: *const c_char,
    _: *const libc::stat,
    _: c_int,
    _: *mut c_void,
) -> c_int {
    // SAFETY: the path ends in NUL.
    let path = unsafe { CStr::from_ptr(path) };
    let path = PathBuf::from(path.to_str().unwrap());
    // There is no data for the visitor: the task's own locals will do.
    match cede::callback(async { FOUND.get().send(path).await }) {
        Ok(Ok(())) => 0,
        Ok(Err(_)) => NOBODY_LISTENS,
        Err(_) => REFUSED,
    }
}

/// It blocks, as C does.
fn walk(root: &Path) -> c_int {
    let root = CString::new(root.to_str().unwrap()).unwrap();
    // SAFETY: the path ends in NUL, and the visitor is as `nftw` expects.
    unsafe { nftw(root.as_ptr(), visit, 4, 0) }
}

/// A directory of this name with ten directories of ten files each.
fn directory(name: &str) -> (PathBuf, Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut paths = vec![root.clone()];
    for i in 0..10 {
        let inner = root.join(i.to_string());
        fs::create_dir_all(&inner).unwrap();
        let files = (0..10).map(|j| inner.join(j.to_string()));
        paths.extend(files.inspect(|file| fs::write(file, "").unwrap()));
        paths.push(inner);
    }
    paths.sort();
    (root, paths)
}

#[test]
fn a_walk_waits_for_room_in_a_bounded_channel() {
    let _watchdog = Watchdog::new("nftw");
    let (root, expected) = directory("nftw");
    on_worker(1, async move {
        let (send, mut found) = mpsc::channel(1);
        let walk = FOUND.scope(send, cede::call(move || walk(&root)).named("nftw"));
        let walking = tokio::spawn(walk);
        let mut paths = Vec::new();
        while let Some(path) = found.recv().await {
            paths.push(path);
        }
        assert_eq!(walking.await.unwrap(), 0);
        paths.sort();
        assert_eq!(paths, expected);
    });
}

#[test]
fn a_walk_ends_when_nobody_listens_or_it_is_refused() {
    let _watchdog = Watchdog::new("nftw that ends");
    let (root, _) = directory("nftw_ends");
    assert_eq!(walk(&root), REFUSED);
    on_worker(1, async move {
        let (send, mut found) = mpsc::channel(1);
        let walk = FOUND.scope(send, cede::call(move || walk(&root)).named("nftw"));
        let walking = tokio::spawn(walk);
        assert!(found.recv().await.is_some());
        drop(found);
        assert_eq!(walking.await.unwrap(), NOBODY_LISTENS);
    });
}
