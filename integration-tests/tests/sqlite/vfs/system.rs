//! A disk as one of SQLite's file systems.

use super::disk::Disk;
use super::file::File;
use libsqlite3_sys::*;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::null;
use std::sync::Arc;

/// A file system that is registered for as long as this is there. Connections on it are to be
/// closed before.
pub(crate) struct System {
    vfs: Box<sqlite3_vfs>,
    _disk: Box<Disk>,
}

// SAFETY: SQLite reads the structure from any thread, and the disk is for any thread.
unsafe impl Send for System {}

impl System {
    pub(crate) fn new(name: &'static CStr, disk: Disk) -> Self {
        let mut disk = Box::new(disk);
        // SAFETY: no name stands for SQLite's own, which is always there.
        let own = unsafe { sqlite3_vfs_find(null()) };
        // SAFETY: as above. What is not about files is taken from it: randomness, time, full names.
        let mut vfs = Box::new(unsafe { *own });
        vfs.szOsFile = size_of::<File>() as c_int;
        vfs.zName = name.as_ptr();
        vfs.pAppData = (&raw mut *disk).cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        // SAFETY: the structure stays where it is until it is unregistered.
        assert_eq!(unsafe { sqlite3_vfs_register(&mut *vfs, 0) }, SQLITE_OK);
        Self { vfs, _disk: disk }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // SAFETY: registered, and used by no connection any more.
        unsafe { sqlite3_vfs_unregister(&mut *self.vfs) };
    }
}

/// The disk, and the name of a file on it.
///
/// # Safety
///
/// `vfs` is a [`System`]'s, `name` ends in NUL, and both are there while the results are used.
unsafe fn at<'a>(vfs: *mut sqlite3_vfs, name: *const c_char) -> (&'a Disk, Arc<str>) {
    // SAFETY: by this function's contract.
    let disk = unsafe { (*vfs).pAppData };
    // SAFETY: `System::new` has put a disk there.
    let disk = unsafe { &*disk.cast::<Disk>() };
    // SAFETY: by this function's contract.
    let name = unsafe { CStr::from_ptr(name) };
    (disk, name.to_string_lossy().into())
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    granted: *mut c_int,
) -> c_int {
    // SAFETY: SQLite provides room for a file. Without methods it will not be closed.
    unsafe { (*file).pMethods = null() };
    if name.is_null() {
        // A temporary file.
        return SQLITE_CANTOPEN;
    }
    // SAFETY: registered by `System`, and SQLite's names end in NUL.
    let (disk, name) = unsafe { at(vfs, name) };
    let created = name.clone();
    let creating = disk.run(move |files| {
        files.entry(created.to_string()).or_default();
    });
    if cede::callback(creating).is_err() {
        return SQLITE_CANTOPEN;
    }
    // SAFETY: there is room for so much as `szOsFile` says.
    unsafe { file.cast::<File>().write(File::new(name, disk.clone())) };
    if !granted.is_null() {
        // SAFETY: SQLite provides room for what is granted.
        unsafe { granted.write(flags) };
    }
    SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, _: c_int) -> c_int {
    // SAFETY: registered by `System`, and SQLite's names end in NUL.
    let (disk, name) = unsafe { at(vfs, name) };
    let deleting = disk.run(move |files| files.remove(&*name).is_some());
    match cede::callback(deleting) {
        Ok(true) => SQLITE_OK,
        Ok(false) => SQLITE_IOERR_DELETE_NOENT,
        Err(_) => SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn access(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    _: c_int,
    answer: *mut c_int,
) -> c_int {
    // SAFETY: registered by `System`, and SQLite's names end in NUL.
    let (disk, name) = unsafe { at(vfs, name) };
    let asking = disk.run(move |files| files.contains_key(&*name));
    let Ok(is_there) = cede::callback(asking) else {
        return SQLITE_IOERR_ACCESS;
    };
    // SAFETY: SQLite provides room for the answer.
    unsafe { answer.write(is_there.into()) };
    SQLITE_OK
}
