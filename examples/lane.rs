//! A library that is bound to its thread, on a lane: the dynamic loader tells what went wrong only to the thread that it went
//! wrong on, so the call and the question must come from the same one.

use std::ffi::{CStr, CString, c_void};
use std::io;

/// The loader, on a thread of its own.
struct Loader(cede::Lane);

/// A symbol's address, which any thread may know.
#[derive(Debug, PartialEq, Eq)]
struct Address(*mut c_void);

// SAFETY: it is only looked at.
unsafe impl Send for Address {}

impl Loader {
    fn start() -> io::Result<Self> {
        Ok(Self(cede::Lane::new("loader")?))
    }

    /// Where the symbol is, in what is loaded already.
    async fn find(&self, symbol: CString) -> Option<Address> {
        let find = move || {
            // SAFETY: the name ends in NUL.
            Address(unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) })
        };
        let found = cede::offload(find).named("dlsym").on_lane(&self.0).await;
        (!found.0.is_null()).then_some(found)
    }

    /// What went wrong last.
    async fn error(&self) -> Option<String> {
        let ask = || {
            // SAFETY: may be called at any time.
            let message = unsafe { libc::dlerror() };
            // SAFETY: a string of the loader's, there until this thread's next use of it.
            (!message.is_null()).then(|| unsafe { CStr::from_ptr(message) }.to_owned())
        };
        let message = cede::offload(ask).named("dlerror").on_lane(&self.0).await?;
        Some(message.to_string_lossy().into_owned())
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let loader = Loader::start()?;
    assert!(loader.find(c"qsort".to_owned()).await.is_some());
    assert_eq!(loader.error().await, None);

    let missing = loader.find(c"no_such_function".to_owned()).await;
    let error = loader.error().await;
    println!("{missing:?}: {error:?}");
    assert!(error.unwrap().contains("no_such_function"));

    // Served to the last call.
    loader.0.close().await;
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
