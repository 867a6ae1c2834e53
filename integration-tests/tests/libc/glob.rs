//! `glob`, which asks on errors whether to go on.

use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::ffi::{CString, c_char, c_int};
use std::fs;
use std::io::ErrorKind::AlreadyExists;
use std::mem::zeroed;
use std::os::unix::fs::symlink;
use std::path::Path;
use tokio::sync::{mpsc, oneshot};

/// The errno of each error, and whether to go on.
type Judge = mpsc::Sender<(c_int, oneshot::Sender<bool>)>;

tokio::task_local!(static JUDGE: Judge);

async fn goes_on(errno: c_int) -> bool {
    let (answer, answered) = oneshot::channel();
    JUDGE.get().send((errno, answer)).await.unwrap();
    answered.await.unwrap()
}

extern "C" fn on_error(_: *const c_char, errno: c_int) -> c_int {
    c_int::from(!cede::callback(goes_on(errno)).unwrap_or(false))
}

/// How many paths there are, or the code of `glob`. It blocks, as C does.
fn glob(pattern: &str) -> Result<usize, c_int> {
    let pattern = CString::new(pattern).unwrap();
    // SAFETY: all zeroes are results of no search.
    let mut found: libc::glob_t = unsafe { zeroed() };
    // SAFETY: the pattern ends in NUL, and there is room for the results.
    let code = unsafe {
        libc::glob(
            pattern.as_ptr(),
            libc::GLOB_BRACE,
            Some(on_error),
            &mut found,
        )
    };
    let count = found.gl_pathc;
    // SAFETY: `glob` has filled it in, and it is freed once.
    unsafe { libc::globfree(&mut found) };
    if code == 0 { Ok(count) } else { Err(code) }
}

/// A pattern with one match, and with a link to itself on the way.
fn pattern() -> String {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("glob");
    fs::create_dir_all(root.join("a")).unwrap();
    fs::write(root.join("a/found"), "").unwrap();
    match symlink("b", root.join("b")) {
        Err(error) if error.kind() != AlreadyExists => panic!("{error}"),
        _ => format!("{}/{{a,b}}/*", root.display()),
    }
}

/// Searches while another task answers every error so; the errors.
async fn judged(answer: bool) -> (Result<usize, c_int>, Vec<c_int>) {
    let (judge, mut cases) = mpsc::channel::<(c_int, oneshot::Sender<bool>)>(1);
    let errors = tokio::spawn(async move {
        let mut errors = Vec::new();
        while let Some((errno, verdict)) = cases.recv().await {
            verdict.send(answer).unwrap();
            errors.push(errno);
        }
        errors
    });
    let pattern = pattern();
    let call = cede::call(|| glob(&pattern)).named("glob");
    let found = JUDGE.scope(judge, call).await;
    (found, errors.await.unwrap())
}

#[test]
fn a_task_of_the_same_worker_judges_errors() {
    let _watchdog = Watchdog::new("glob");
    on_worker(1, async {
        let (found, errors) = judged(true).await;
        assert_eq!((found, errors), (Ok(1), vec![libc::ELOOP]));
        let (found, errors) = judged(false).await;
        let aborted = Err(libc::GLOB_ABORTED);
        assert_eq!((found, errors), (aborted, vec![libc::ELOOP]));
    });
    assert_eq!(glob(&pattern()), Err(libc::GLOB_ABORTED), "refused");
}
