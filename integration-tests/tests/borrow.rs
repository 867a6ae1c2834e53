//! What C is given may be borrowed from the task, and need be neither `Send` nor `'static`.

use cede_fixtures::plain::empty;
use cede_integration_tests::{on_worker, under_c, workers};
use std::cell::Cell;
use std::rc::Rc;

#[test]
fn locals_are_borrowed() {
    on_worker(1, async {
        let mut numbers = vec![1, 2, 3];
        let text = String::from("borrowed");
        let length = cede::call(|| {
            numbers.iter_mut().for_each(|n| *n = empty(*n));
            &text[..numbers.len()]
        })
        .await;
        assert_eq!(length, "bor");
        assert_eq!(numbers, [2, 3, 4]);
    });
}

#[test]
fn callbacks_borrow_too() {
    on_worker(1, async {
        let mut heard = Vec::new();
        cede::call(|| {
            for n in 0..3 {
                let said = n;
                under_c(|| {
                    cede::callback(async {
                        tokio::task::yield_now().await;
                        heard.push(said);
                    })
                })
                .unwrap();
            }
        })
        .await;
        assert_eq!(heard, [0, 1, 2]);
    });
}

#[test]
fn neither_send_nor_static() {
    workers(1).block_on(async {
        let shared = Rc::new(Cell::new(1));
        let returned = cede::call(|| {
            shared.set(empty(shared.get()));
            Rc::clone(&shared)
        })
        .await;
        assert_eq!(returned.get(), 2);
        assert_eq!(Rc::strong_count(&shared), 2);
    });
}

#[test]
fn moved_in_and_out() {
    on_worker(1, async {
        let owned = vec![1, 2, 3];
        let owned = cede::call(move || owned).await;
        assert_eq!(owned, [1, 2, 3]);
    });
}
