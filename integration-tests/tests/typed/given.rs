//! C that owns a callback frees it, exactly once, with the destructor; and not if it has never taken it.

use super::Function;
use cede::typed::Signature;
use cede::{Callback, Given, SendPtr};
use cede_fixtures::owner::{self, Owner};
use cede_integration_tests::on_worker;
use futures::FutureExt;
use std::convert::Infallible;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

/// Counts how often it is dropped.
struct Witness(Arc<AtomicI32>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Who owns a callback, in C.
struct OwnerPtr(SendPtr<Owner>);

impl OwnerPtr {
    fn call(&self, arg: c_int) -> c_int {
        // SAFETY: the owner is there.
        unsafe { owner::call(self.0.get(), arg) }
    }
}

impl Drop for OwnerPtr {
    fn drop(&mut self) {
        // SAFETY: the owner is there, and used no more.
        unsafe { owner::free(self.0.get()) };
    }
}

/// Leaves the callback to an owner.
fn owned<K, D>(callback: Callback<K, D, (c_int,)>) -> OwnerPtr
where
    (c_int,): Signature<K, D, DataFirst = Function>,
    K: Send + 'static,
    D: Send + 'static,
{
    let owner = callback.give(|given| -> Result<_, Infallible> {
        let (function, data) = (given.data_first(), given.data());
        // SAFETY: the owner has the callback until it calls the destructor, once.
        Ok(unsafe { owner::create(function, data, given.destructor()) })
    });
    let Ok(owner) = owner;
    OwnerPtr(owner.into())
}

#[test]
fn when_the_owner_is_freed() {
    on_worker(1, async {
        let drops = Arc::new(AtomicI32::new(0));
        let witness = Witness(drops.clone());
        let mut calls = 0;
        let owner = owned(Callback::new(-1, async move |n: c_int| {
            let _ = &witness;
            tokio::task::yield_now().await;
            calls += 1;
            n + calls
        }));
        assert_eq!(cede::call(|| owner.call(10)).await, 11);
        assert_eq!(cede::call(|| owner.call(10)).await, 12);
        assert_eq!(drops.load(SeqCst), 0);
        drop(owner);
        assert_eq!(drops.load(SeqCst), 1);
    });
}

#[test]
fn when_it_is_replaced() {
    on_worker(1, async {
        let drops = Arc::new(AtomicI32::new(0));
        let (first, second) = (Witness(drops.clone()), Witness(drops.clone()));
        let owner = owned(Callback::leaf(-1, move |n: c_int| {
            let _ = &first;
            n
        }));
        let other = Callback::leaf(-1, move |n: c_int| {
            let _ = &second;
            2 * n
        });
        let replaced: Result<(), c_int> = other.give(|given| {
            // SAFETY: as in `owned`.
            unsafe {
                owner::replace(
                    owner.0.get(),
                    given.data_first(),
                    given.data(),
                    given.destructor(),
                );
            }
            Ok(())
        });
        assert_eq!(replaced, Ok(()));
        assert_eq!(drops.load(SeqCst), 1);
        assert_eq!(cede::call(|| owner.call(10)).await, 20);
        drop(owner);
        assert_eq!(drops.load(SeqCst), 2);
    });
}

/// Fails as a library does that calls the destructor then, or as one that does not.
fn fails(destroys: bool) -> i32 {
    let drops = Arc::new(AtomicI32::new(0));
    let witness = Witness(drops.clone());
    let callback = Callback::new(-1, async move |n: c_int| {
        let _ = &witness;
        n
    });
    let given = callback.give(|given| {
        // SAFETY: the owner calls the destructor, or is not there.
        let owner = unsafe {
            owner::fail(
                given.data_first(),
                given.data(),
                given.destructor(),
                c_int::from(destroys),
            )
        };
        assert!(owner.is_null());
        if destroys { Ok(()) } else { Err("not taken") }
    });
    assert_eq!(given.is_ok(), destroys);
    drops.load(SeqCst)
}

#[test]
fn when_the_registration_fails() {
    assert_eq!(fails(true), 1, "C has freed it");
    assert_eq!(fails(false), 1, "C never had it");
}

/// Whether C has it nobody knows: better lost than freed twice.
#[test]
fn leaked_when_the_registration_panics() {
    let drops = Arc::new(AtomicI32::new(0));
    let witness = Witness(drops.clone());
    let callback = Callback::leaf(-1, move |n: c_int| {
        let _ = &witness;
        n
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        callback.give(|_: &Given<_, _, _>| -> Result<(), ()> { panic_any("registering") })
    }));
    assert!(panicked.is_err());
    assert_eq!(drops.load(SeqCst), 0);
}

/// A closure whose destructor panics.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic_any("dropping");
    }
}

#[test]
fn a_panic_of_its_drop_waits_until_c_has_returned() {
    on_worker(1, async {
        let bad = PanicsOnDrop;
        let owner = owned(Callback::leaf(-1, move |n: c_int| {
            let _ = &bad;
            n
        }));
        let mut returned = false;
        let call = cede::call(|| {
            drop(owner);
            returned = true;
        });
        let panicked = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert_eq!(panicked.downcast_ref::<&str>(), Some(&"dropping"));
        assert!(returned);
    });
}

#[test]
fn a_panic_of_its_drop_outside_of_a_call_goes_no_further() {
    let bad = PanicsOnDrop;
    let owner = owned(Callback::leaf(-1, move |n: c_int| {
        let _ = &bad;
        n
    }));
    drop(owner);
}

#[test]
fn on_another_thread() {
    let drops = Arc::new(AtomicI32::new(0));
    let witness = Witness(drops.clone());
    let owner = owned(Callback::leaf(-1, move |n: c_int| {
        let _ = &witness;
        n
    }));
    std::thread::spawn(move || drop(owner)).join().unwrap();
    assert_eq!(drops.load(SeqCst), 1);
}
