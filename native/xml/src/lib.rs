//! libxml2's parser, and the C between it and Rust, for the tests of `cede`.

use std::ffi::{c_char, c_int, c_void};

// Linked for libxml2's sake.
use libz_sys as _;

/// A document without an error.
pub const XML_ERR_OK: c_int = 0;
/// An element that ends before one that it contains.
pub const XML_ERR_TAG_NAME_MISMATCH: c_int = 76;
/// The parser was stopped by a handler.
pub const XML_ERR_USER_STOP: c_int = 111;

/// Who is told of a document. No handler unwinds; `data` is what [`parse`] was given.
#[repr(C)]
#[derive(Debug)]
pub struct Handlers {
    /// An element begins: its name, which ends in NUL. Not zero: stop.
    pub start: unsafe extern "C" fn(data: *mut c_void, name: *const c_char) -> c_int,
    /// So many bytes of text. Not zero: stop.
    pub text: unsafe extern "C" fn(data: *mut c_void, bytes: *const c_char, count: c_int) -> c_int,
    /// An element ends. Not zero: stop.
    pub end: unsafe extern "C" fn(data: *mut c_void, name: *const c_char) -> c_int,
    /// Reads so many bytes of the document or fewer: how many, 0 at its end, -1 if it cannot be read.
    pub read: unsafe extern "C" fn(data: *mut c_void, room: *mut c_char, size: c_int) -> c_int,
}

unsafe extern "C" {
    /// Parses a document. Returns libxml2's code of the first error, with the line in `line`.
    ///
    /// # Safety
    ///
    /// The handlers may be called with `data`, on the thread that C runs on, until this returns; there is room for the
    /// line.
    #[link_name = "cede_fx_xml_parse"]
    pub fn parse(handlers: *const Handlers, data: *mut c_void, line: *mut c_int) -> c_int;
}
