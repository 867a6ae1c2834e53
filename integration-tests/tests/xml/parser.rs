//! As much of a safe libxml2 as the tests need. What it is given are futures.

use cede_fixtures_xml::{Handlers, XML_ERR_OK, parse};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::future::Future;
use std::slice;

/// What a document is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Start(String),
    Text(String),
    End(String),
}

/// libxml2's error code, and the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: c_int,
    pub(crate) line: c_int,
}

/// Where a document comes from, and who is told of it.
struct Parsing<R, H> {
    read: R,
    handle: H,
}

/// Parses a document that `read` gives in pieces of so many bytes at most, the last one empty; `handle` says whether to
/// go on. It blocks, as C does.
pub(crate) fn run<R, RF, H, HF>(read: R, handle: H) -> Result<(), Failure>
where
    R: Fn(usize) -> RF,
    RF: Future<Output = Vec<u8>> + Send,
    H: Fn(Event) -> HF,
    HF: Future<Output = bool> + Send,
{
    let mut parsing = Parsing { read, handle };
    let handlers = Handlers {
        start: start::<R, H, HF>,
        text: text::<R, H, HF>,
        end: end::<R, H, HF>,
        read: fill::<R, RF, H>,
    };
    let mut line = 0;
    // SAFETY: the handlers are for this parsing, which is there until C has returned.
    let code = unsafe { parse(&handlers, (&raw mut parsing).cast(), &mut line) };
    if code == XML_ERR_OK {
        return Ok(());
    }
    Err(Failure { code, line })
}

/// # Safety
///
/// `data` is what `run` hands over, with these types.
unsafe fn parsing<'a, R, H>(data: *mut c_void) -> &'a Parsing<R, H> {
    // SAFETY: by this function's contract.
    unsafe { &*data.cast() }
}

/// # Safety
///
/// `name` ends in NUL.
unsafe fn name(name: *const c_char) -> String {
    // SAFETY: by this function's contract.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_string_lossy().into_owned()
}

/// Whether libxml2 is to stop. A refused handler stops it.
fn stops<HF: Future<Output = bool> + Send>(handled: HF) -> c_int {
    c_int::from(!cede::callback(handled).unwrap_or(false))
}

unsafe extern "C" fn start<R, H, HF>(data: *mut c_void, element: *const c_char) -> c_int
where
    H: Fn(Event) -> HF,
    HF: Future<Output = bool> + Send,
{
    // SAFETY: `run` has chosen the types.
    let parsing = unsafe { parsing::<R, H>(data) };
    // SAFETY: libxml2's names end in NUL.
    let name = unsafe { name(element) };
    stops((parsing.handle)(Event::Start(name)))
}

unsafe extern "C" fn end<R, H, HF>(data: *mut c_void, element: *const c_char) -> c_int
where
    H: Fn(Event) -> HF,
    HF: Future<Output = bool> + Send,
{
    // SAFETY: `run` has chosen the types.
    let parsing = unsafe { parsing::<R, H>(data) };
    // SAFETY: libxml2's names end in NUL.
    let name = unsafe { name(element) };
    stops((parsing.handle)(Event::End(name)))
}

unsafe extern "C" fn text<R, H, HF>(data: *mut c_void, bytes: *const c_char, count: c_int) -> c_int
where
    H: Fn(Event) -> HF,
    HF: Future<Output = bool> + Send,
{
    // SAFETY: `run` has chosen the types.
    let parsing = unsafe { parsing::<R, H>(data) };
    // SAFETY: libxml2 hands over so many bytes.
    let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), count as usize) };
    let text = String::from_utf8_lossy(bytes).into_owned();
    stops((parsing.handle)(Event::Text(text)))
}

unsafe extern "C" fn fill<R, RF, H>(data: *mut c_void, room: *mut c_char, size: c_int) -> c_int
where
    R: Fn(usize) -> RF,
    RF: Future<Output = Vec<u8>> + Send,
{
    // SAFETY: `run` has chosen the types.
    let parsing = unsafe { parsing::<R, H>(data) };
    // SAFETY: libxml2 provides room for so many bytes, and owns them.
    let room = unsafe { slice::from_raw_parts_mut(room.cast::<u8>(), size as usize) };
    match cede::callback((parsing.read)(room.len())) {
        Ok(bytes) => {
            room[..bytes.len()].copy_from_slice(&bytes);
            bytes.len() as c_int
        }
        Err(_) => -1,
    }
}
