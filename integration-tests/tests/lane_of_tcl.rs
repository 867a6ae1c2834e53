//! Tcl belongs to the thread that has made its interpreter: events that one call leaves behind are found by the next one only
//! on that thread. On a lane they are, also when a command awaits and calls the lane again.
//!
//! Tcl is loaded at run time, where it is installed; with `CEDE_NEEDS_TCL` it has to be.

use cede::{Lane, SendPtr, offload};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::time::Duration;

type Interpreter = *mut c_void;
type Command = unsafe extern "C" fn(*mut c_void, Interpreter, c_int, *const *const c_char) -> c_int;

/// What is used of Tcl's interface.
#[derive(Clone, Copy)]
struct Tcl {
    find_executable: unsafe extern "C" fn(*const c_char),
    create: unsafe extern "C" fn() -> Interpreter,
    delete: unsafe extern "C" fn(Interpreter),
    eval: unsafe extern "C" fn(Interpreter, *const c_char) -> c_int,
    result: unsafe extern "C" fn(Interpreter) -> *const c_char,
    command: unsafe extern "C" fn(
        Interpreter,
        *const c_char,
        Command,
        *mut c_void,
        Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> *mut c_void,
}

const OK: c_int = 0;

/// # Safety
///
/// The symbol is a function of type `F`.
unsafe fn function<F: Copy>(symbol: *mut c_void) -> F {
    assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
    // SAFETY: by this function's contract; of one size by the line above.
    unsafe { std::mem::transmute_copy(&symbol) }
}

impl Tcl {
    fn load() -> Option<Self> {
        let names = [c"libtcl8.6.so", c"libtcl8.6.so.0"];
        // SAFETY: the names end in NUL; what Tcl does when it is loaded it may do at any time.
        let open = |name: &CStr| unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        let library = names.into_iter().map(open).find(|l| !l.is_null())?;
        let symbol = |name: &CStr| {
            // SAFETY: the library is there for good, and the name ends in NUL.
            let found = unsafe { libc::dlsym(library, name.as_ptr()) };
            assert!(!found.is_null(), "{name:?}");
            found
        };
        Some(Self {
            // SAFETY: as Tcl's manual has it.
            find_executable: unsafe { function(symbol(c"Tcl_FindExecutable")) },
            // SAFETY: as Tcl's manual has it.
            create: unsafe { function(symbol(c"Tcl_CreateInterp")) },
            // SAFETY: as Tcl's manual has it.
            delete: unsafe { function(symbol(c"Tcl_DeleteInterp")) },
            // SAFETY: as Tcl's manual has it.
            eval: unsafe { function(symbol(c"Tcl_Eval")) },
            // SAFETY: as Tcl's manual has it.
            result: unsafe { function(symbol(c"Tcl_GetStringResult")) },
            // SAFETY: as Tcl's manual has it.
            command: unsafe { function(symbol(c"Tcl_CreateCommand")) },
        })
    }

    /// Runs a script, on the interpreter's thread; its result.
    fn run(self, interpreter: Interpreter, script: &str) -> String {
        let script = CString::new(script).unwrap();
        // SAFETY: the interpreter is there.
        let code = unsafe { (self.eval)(interpreter, script.as_ptr()) };
        // SAFETY: as above; the result is there until the next script.
        let result = unsafe { CStr::from_ptr((self.result)(interpreter)) };
        let result = result.to_string_lossy().into_owned();
        assert_eq!(code, OK, "{result}");
        result
    }
}

/// What the command `awaits` has to work with.
struct Awaits {
    tcl: Tcl,
    lane: Lane,
}

/// Awaits a timer, then runs a script in the same interpreter by a call of its own.
unsafe extern "C" fn awaits(
    data: *mut c_void,
    interpreter: Interpreter,
    _: c_int,
    _: *const *const c_char,
) -> c_int {
    // SAFETY: outlives the interpreter.
    let Awaits { tcl, lane } = unsafe { &*data.cast::<Awaits>() };
    let (tcl, interpreter) = (*tcl, SendPtr::from(interpreter));
    let ran = cede::callback(async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let nested = offload(move || tcl.run(interpreter.get(), "set nested 5"));
        nested.on_lane(lane).await
    });
    ran.map_or(1, |_| OK)
}

#[test]
fn its_events_are_found_by_the_next_call() {
    let _watchdog = Watchdog::new("Tcl");
    let Some(tcl) = Tcl::load() else {
        assert!(std::env::var_os("CEDE_NEEDS_TCL").is_none(), "no Tcl");
        println!("skipped: there is no Tcl here");
        return;
    };
    let lane = Lane::new("tcl").unwrap();
    let data = Box::new(Awaits {
        tcl,
        lane: lane.clone(),
    });
    workers(2).block_on(async {
        let command = SendPtr::from((&raw const *data).cast_mut());
        let made = offload(move || {
            // SAFETY: Tcl's first call; it finds out by itself.
            unsafe { (tcl.find_executable)(std::ptr::null()) };
            // SAFETY: Tcl is ready.
            let interpreter = unsafe { (tcl.create)() };
            let data = command.get().cast();
            // SAFETY: the data outlives the interpreter.
            unsafe { (tcl.command)(interpreter, c"awaits".as_ptr(), awaits, data, None) };
            SendPtr::from(interpreter)
        });
        let interpreter = made.on_lane(&lane).await;
        let run = |script: &'static str| {
            offload(move || tcl.run(interpreter.get(), script)).on_lane(&lane)
        };
        run("set events 0").await;
        for n in 1..=100 {
            run("after 0 {incr events}; list").await;
            assert_eq!(run("update; set events").await, n.to_string());
        }
        run("awaits").await;
        assert_eq!(run("set nested").await, "5");
        // SAFETY: on its thread, and not used afterwards.
        let delete = offload(move || unsafe { (tcl.delete)(interpreter.get()) });
        delete.on_lane(&lane).await;
        lane.close().await;
    });
}
