//! C calls the same callback again while it runs: an exclusive one is refused, a shared one is not.

use super::{Function, once};
use cede::{Callback, Refused, SendPtr};
use cede_integration_tests::on_worker;
use std::ffi::{c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

/// How a callback finds itself.
#[derive(Default)]
struct Itself(Mutex<Option<(Function, SendPtr<c_void>)>>);

impl Itself {
    fn is<K, D>(&self, callback: &Callback<K, D, (c_int,)>)
    where
        (c_int,): cede::typed::Signature<K, D, DataFirst = Function>,
    {
        *self.0.lock().unwrap() = Some((callback.data_first(), callback.data().into()));
    }

    /// C calls it from here.
    fn call_back(&self, arg: c_int) -> c_int {
        let (function, data) = self.0.lock().unwrap().unwrap();
        once(function, data.get(), arg)
    }
}

/// The fallback of those that are refused, with the reasons.
#[derive(Default)]
struct Reasons(Mutex<Vec<Refused>>);

impl Reasons {
    const FALLBACK: c_int = -7;

    fn note(&self, why: Refused) -> c_int {
        self.0.lock().unwrap().push(why);
        Self::FALLBACK
    }

    fn take(&self) -> Vec<Refused> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Within its own future the callback makes a call in which C calls it again.
#[test]
fn an_exclusive_one_is_refused_while_it_is_pending() {
    on_worker(1, async {
        let (itself, reasons) = (Itself::default(), Reasons::default());
        let mut entered = 0;
        let mut inner = 0;
        let callback = Callback::new(
            |why: Refused| reasons.note(why),
            async |n: c_int| {
                entered += 1;
                tokio::task::yield_now().await;
                inner = cede::call(|| itself.call_back(n + 1)).await;
                n
            },
        );
        itself.is(&callback);
        let refusals = cede::metrics().refusals;
        assert_eq!(cede::call(|| itself.call_back(3)).await, 3);
        assert!(cede::metrics().refusals > refusals);
        // And it is not refused for good.
        assert_eq!(cede::call(|| itself.call_back(4)).await, 4);
        assert_eq!((entered, inner), (2, Reasons::FALLBACK));
        assert_eq!(reasons.take(), [Refused::Reentered; 2]);
    });
}

#[test]
fn a_shared_one_is_entered_again() {
    on_worker(1, async {
        let (itself, entered) = (Itself::default(), AtomicI32::new(0));
        let callback = Callback::shared(-1, async |n: c_int| {
            entered.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
            if n == 0 {
                return 0;
            }
            let below = cede::call(|| itself.call_back(n - 1));
            n + Box::pin(below).await
        });
        itself.is(&callback);
        assert_eq!(cede::call(|| itself.call_back(4)).await, 10);
        assert_eq!(entered.load(SeqCst), 5);
    });
}

/// The future that it makes has nothing of the closure; while the closure itself runs it is refused.
#[test]
fn a_sendable_one_is_entered_again_while_its_future_is_pending() {
    on_worker(1, async {
        let (itself, reasons) = (Itself::default(), Reasons::default());
        let (itself, reasons) = (&itself, &reasons);
        let mut made = 0;
        let callback = Callback::sendable(
            |why: Refused| reasons.note(why),
            |n: c_int| {
                made += 1;
                let inner = if n == 1 { itself.call_back(9) } else { 0 };
                async move {
                    tokio::task::yield_now().await;
                    if n == 2 {
                        return 10 + cede::call(|| itself.call_back(1)).await;
                    }
                    n + inner
                }
            },
        );
        itself.is(&callback);
        // 10 for the outer one, and the inner one's 1 with its refusal.
        assert_eq!(
            cede::call(|| itself.call_back(2)).await,
            11 + Reasons::FALLBACK
        );
        assert_eq!(made, 2);
        assert_eq!(reasons.take(), [Refused::Reentered]);
    });
}

#[test]
fn a_leaf_is_refused_and_a_shared_leaf_is_not() {
    let (itself, reasons) = (Itself::default(), Reasons::default());
    let mut inner = 0;
    let leaf = Callback::leaf(
        |why: Refused| reasons.note(why),
        |n: c_int| {
            inner = itself.call_back(n + 1);
            n
        },
    );
    itself.is(&leaf);
    assert_eq!(itself.call_back(3), 3);
    assert_eq!(inner, Reasons::FALLBACK);
    assert_eq!(reasons.take(), [Refused::Reentered]);

    let shared = Callback::shared_leaf(-1, |n: c_int| {
        if n == 0 {
            0
        } else {
            n + itself.call_back(n - 1)
        }
    });
    itself.is(&shared);
    assert_eq!(itself.call_back(4), 10);
}
