//! A callback borrows from its caller, and the borrows end with it.

use super::once;
use cede::Callback;
use cede_fixtures::callback::call_n;
use cede_integration_tests::{on_current_thread, on_worker};
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::mpsc;

#[test]
fn what_it_borrows_is_its_callers_again_after_the_last_call() {
    on_worker(1, async {
        let mut rows = Vec::new();
        let (send, mut receive) = mpsc::channel(1);
        let reader = tokio::spawn(async move {
            let mut sum = 0;
            while let Some(row) = receive.recv().await {
                sum += row;
            }
            sum
        });
        let each = Callback::new(-1, async |row: i32| {
            rows.push(row);
            send.send(row).await.map_or(-1, |()| row)
        });
        for _ in 0..2 {
            // SAFETY: the callback is there until C has returned.
            let call = cede::call(|| unsafe { call_n(each.data_first(), each.data(), 5) });
            assert_eq!(call.await, 10);
        }
        // Not dropped by hand: the borrow ends with the last use.
        assert_eq!(rows, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
        drop(send);
        assert_eq!(reader.await.unwrap(), 20);
    });
}

/// Nothing of a callback has to be `Send` where its task is bound to a thread.
#[test]
fn what_it_borrows_need_not_be_send() {
    on_current_thread(async {
        let count = Rc::new(Cell::new(0));
        let each = Callback::new(-1, async |n: i32| {
            let held = count.clone();
            held.set(held.get() + n);
            held.get()
        });
        assert_eq!(
            cede::call(|| once(each.data_first(), each.data(), 3)).await,
            3
        );
        assert_eq!(
            cede::call(|| once(each.data_first(), each.data(), 4)).await,
            7
        );
        drop(each);
        assert_eq!(Rc::strong_count(&count), 1);
    });
}

/// One that suspends keeps what it needs itself.
#[test]
fn a_suspended_call_owns_its_callback() {
    on_current_thread(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut told = Some(told);
        let waits = Callback::new(-1, async move |n: i32| match told.take() {
            Some(told) => n + told.await.unwrap_or(-100),
            None => -1,
        });
        let call = cede::call(move || once(waits.data_first(), waits.data(), 3)).suspendable();
        let other = async {
            tokio::task::yield_now().await;
            tell.send(4).unwrap();
        };
        assert_eq!(tokio::join!(call, other), (7, ()));
    });
}

#[test]
fn what_it_owns_goes_with_it() {
    let witness = Rc::new(());
    let held = witness.clone();
    let callback = Callback::new(0, async move |_: i32| Rc::strong_count(&held) as i32);
    assert_eq!(Rc::strong_count(&witness), 2);
    drop(callback);
    assert_eq!(Rc::strong_count(&witness), 1);
}
