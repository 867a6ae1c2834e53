//! A call may move to another thread before C starts, with its closure, and after C has returned, with the result: so it
//! is `Send` exactly if both are.

use std::marker::PhantomData;
use std::rc::Rc;

struct Of<T>(PhantomData<T>);

/// What is found if the method below is not there.
trait NotSend {
    fn is_send(&self) -> bool {
        false
    }
}

impl<T> NotSend for Of<T> {}

impl<T: Send> Of<T> {
    fn is_send(&self) -> bool {
        true
    }
}

/// Whether the type of an expression is `Send`; decided where the type is known, so not by a function.
macro_rules! is_send {
    ($value:expr) => {{
        fn of<T>(_: &T) -> Of<T> {
            Of(PhantomData)
        }
        of(&$value).is_send()
    }};
}

// Functions, for what a closure holds is known only at the end of the body it is written in.

fn both() -> cede::Call<impl FnOnce() -> usize, usize> {
    let owned = String::from("owned");
    cede::call(move || owned.len())
}

fn closure_is_not() -> cede::Call<impl FnOnce() -> i32, i32> {
    let rc = Rc::new(1);
    cede::call(move || *rc)
}

fn result_is_not() -> cede::Call<impl FnOnce() -> Rc<i32>, Rc<i32>> {
    cede::call(|| Rc::new(1))
}

#[test]
fn it_is_if_both_are() {
    assert!(is_send!(both()));
    assert!(is_send!(both().named("f").long()));
    assert!(is_send!(both().with_errno()));
    assert!(is_send!(both().or_errno()));
    assert!(is_send!(both().suspendable()));
    // SAFETY: it is never polled.
    assert!(is_send!(unsafe { both().migratable() }));
    assert!(is_send!(cede::scope(both())));
}

#[test]
fn it_is_not_if_one_is_not() {
    assert!(!is_send!(closure_is_not()));
    assert!(!is_send!(closure_is_not().with_errno()));
    assert!(!is_send!(closure_is_not().suspendable()));
    // SAFETY: it is never polled.
    assert!(!is_send!(unsafe { closure_is_not().migratable() }));
    assert!(!is_send!(cede::scope(closure_is_not())));
    assert!(!is_send!(result_is_not()));
    assert!(!is_send!(result_is_not().with_errno()));
    assert!(!is_send!(result_is_not().suspendable()));
    // SAFETY: it is never polled.
    assert!(!is_send!(unsafe { result_is_not().migratable() }));
    assert!(!is_send!(cede::scope(result_is_not())));
}
