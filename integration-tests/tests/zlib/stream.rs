//! zlib's streams. Everything here blocks, as C does.

use libz_sys::*;
use std::ffi::{c_int, c_uint, c_void};
use std::marker::PhantomData;

/// Where a stream's memory comes from.
pub(crate) struct Source<'a> {
    pub(crate) alloc: unsafe extern "C" fn(*mut c_void, c_uint, c_uint) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, *mut c_void),
    /// What both are given first.
    pub(crate) data: *mut c_void,
    /// The lifetime of what they refer to.
    pub(crate) lifetime: PhantomData<&'a ()>,
}

/// A stream in one direction.
pub(crate) struct Stream<'a> {
    raw: Box<z_stream>,
    step: unsafe extern "C" fn(z_streamp, c_int) -> c_int,
    end: unsafe extern "C" fn(z_streamp) -> c_int,
    _source: PhantomData<&'a ()>,
}

// SAFETY: a stream belongs to no thread; what `Source` refers to is for any thread, by its contract.
unsafe impl Send for Stream<'_> {}

/// What one step has done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
    /// Whether the stream has come to its end.
    pub(crate) is_end: bool,
}

impl<'a> Stream<'a> {
    /// A stream that compresses, or zlib's error.
    ///
    /// # Safety
    ///
    /// The functions of `source` are what zlib expects, and may be called from any thread.
    pub(crate) unsafe fn compress(source: &Source<'a>) -> Result<Self, c_int> {
        let mut raw = raw(source);
        let size = size_of::<z_stream>() as c_int;
        // SAFETY: takes nothing.
        let version = unsafe { zlibVersion() };
        // SAFETY: the stream has its allocator and lies where it stays.
        let code = unsafe { deflateInit_(&mut *raw, Z_DEFAULT_COMPRESSION, version, size) };
        Self::new(code, raw, deflate, deflateEnd)
    }

    /// A stream that restores what was compressed, or zlib's error.
    ///
    /// # Safety
    ///
    /// As [`compress`](Self::compress).
    pub(crate) unsafe fn restore(source: &Source<'a>) -> Result<Self, c_int> {
        let mut raw = raw(source);
        let size = size_of::<z_stream>() as c_int;
        // SAFETY: takes nothing.
        let version = unsafe { zlibVersion() };
        // SAFETY: the stream has its allocator and lies where it stays.
        let code = unsafe { inflateInit_(&mut *raw, version, size) };
        Self::new(code, raw, inflate, inflateEnd)
    }

    fn new(
        code: c_int,
        raw: Box<z_stream>,
        step: unsafe extern "C" fn(z_streamp, c_int) -> c_int,
        end: unsafe extern "C" fn(z_streamp) -> c_int,
    ) -> Result<Self, c_int> {
        if code != Z_OK {
            return Err(code);
        }
        Ok(Self {
            raw,
            step,
            end,
            _source: PhantomData,
        })
    }

    /// Goes on with `input`, of which there is no more if it is the `last`.
    ///
    /// # Panics
    ///
    /// If the input is not what zlib has made.
    pub(crate) fn step(&mut self, input: &[u8], output: &mut [u8], last: bool) -> Step {
        let (available, room) = (input.len() as c_uint, output.len() as c_uint);
        self.raw.next_in = input.as_ptr().cast_mut();
        self.raw.avail_in = available;
        self.raw.next_out = output.as_mut_ptr();
        self.raw.avail_out = room;
        let flush = if last { Z_FINISH } else { Z_NO_FLUSH };
        // SAFETY: the stream is initialized, and both buffers are there until this returns.
        let code = unsafe { (self.step)(&mut *self.raw, flush) };
        assert!(
            [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(&code),
            "zlib: {code}"
        );
        Step {
            consumed: (available - self.raw.avail_in) as usize,
            produced: (room - self.raw.avail_out) as usize,
            is_end: code == Z_STREAM_END,
        }
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // SAFETY: initialized, and ended here and nowhere else.
        unsafe { (self.end)(&mut *self.raw) };
    }
}

fn raw(source: &Source<'_>) -> Box<z_stream> {
    Box::new(z_stream {
        next_in: std::ptr::null_mut(),
        avail_in: 0,
        total_in: 0,
        next_out: std::ptr::null_mut(),
        avail_out: 0,
        total_out: 0,
        msg: std::ptr::null_mut(),
        state: std::ptr::null_mut(),
        zalloc: source.alloc,
        zfree: source.free,
        opaque: source.data,
        data_type: 0,
        adler: 0,
        reserved: 0,
    })
}
