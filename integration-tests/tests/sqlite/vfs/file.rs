//! Files, as SQLite sees them: every read and write is a callback.
//!
//! A disk is used through one connection a file, so there is nothing to lock.

use super::disk::Disk;
use libsqlite3_sys::*;
use std::ffi::{c_int, c_void};
use std::slice;
use std::sync::Arc;

/// What lies in the memory that SQLite provides for a file.
#[repr(C)]
pub(crate) struct File {
    base: sqlite3_file,
    name: Arc<str>,
    disk: Disk,
}

impl File {
    pub(crate) fn new(name: Arc<str>, disk: Disk) -> Self {
        let base = sqlite3_file { pMethods: &METHODS };
        Self { base, name, disk }
    }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(nothing),
    xDeviceCharacteristics: Some(nothing),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
///
/// `raw` was opened and is not closed while the reference is used.
unsafe fn file<'a>(raw: *mut sqlite3_file) -> &'a File {
    // SAFETY: a `File` was written there when it was opened.
    unsafe { &*raw.cast::<File>() }
}

unsafe extern "C" fn close(raw: *mut sqlite3_file) -> c_int {
    // SAFETY: opened, and closed once. SQLite owns the memory.
    unsafe { raw.cast::<File>().drop_in_place() };
    SQLITE_OK
}

unsafe extern "C" fn read(
    raw: *mut sqlite3_file,
    buffer: *mut c_void,
    bytes: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite uses files that are open.
    let file = unsafe { file(raw) };
    // SAFETY: SQLite provides room for so many bytes, and owns them.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), bytes as usize) };
    let reading = file
        .disk
        .read(file.name.clone(), offset as usize, buffer.len());
    let Ok(bytes) = cede::callback(reading) else {
        return SQLITE_IOERR_READ;
    };
    let (start, rest) = buffer.split_at_mut(bytes.len());
    start.copy_from_slice(&bytes);
    rest.fill(0);
    if rest.is_empty() {
        SQLITE_OK
    } else {
        SQLITE_IOERR_SHORT_READ
    }
}

unsafe extern "C" fn write(
    raw: *mut sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite uses files that are open.
    let file = unsafe { file(raw) };
    // SAFETY: SQLite hands over so many bytes.
    let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), count as usize) };
    let writing = file
        .disk
        .write(file.name.clone(), offset as usize, bytes.to_vec());
    cede::callback(writing).map_or(SQLITE_IOERR_WRITE, |()| SQLITE_OK)
}

unsafe extern "C" fn truncate(raw: *mut sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite uses files that are open.
    let file = unsafe { file(raw) };
    let name = file.name.clone();
    let truncating = file.disk.run(move |files| {
        let file = files.entry(name.to_string()).or_default();
        file.truncate(size as usize);
    });
    cede::callback(truncating).map_or(SQLITE_IOERR_TRUNCATE, |()| SQLITE_OK)
}

unsafe extern "C" fn sync(raw: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite uses files that are open.
    let file = unsafe { file(raw) };
    cede::callback(file.disk.run(|_| ())).map_or(SQLITE_IOERR_FSYNC, |()| SQLITE_OK)
}

unsafe extern "C" fn size(raw: *mut sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: SQLite uses files that are open.
    let file = unsafe { file(raw) };
    let name = file.name.clone();
    let asking = file
        .disk
        .run(move |files| files.get(&*name).map_or(0, Vec::len));
    let Ok(bytes) = cede::callback(asking) else {
        return SQLITE_IOERR_FSTAT;
    };
    // SAFETY: SQLite provides room for the answer.
    unsafe { size.write(bytes as i64) };
    SQLITE_OK
}

unsafe extern "C" fn lock(_: *mut sqlite3_file, _: c_int) -> c_int {
    SQLITE_OK
}

unsafe extern "C" fn is_reserved(_: *mut sqlite3_file, answer: *mut c_int) -> c_int {
    // SAFETY: SQLite provides room for the answer.
    unsafe { answer.write(0) };
    SQLITE_OK
}

unsafe extern "C" fn control(_: *mut sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    SQLITE_NOTFOUND
}

/// No sector size of its own, and no guarantees about what a broken write leaves.
unsafe extern "C" fn nothing(_: *mut sqlite3_file) -> c_int {
    0
}
