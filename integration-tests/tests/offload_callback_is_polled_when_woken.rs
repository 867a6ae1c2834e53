//! While a callback of an offloaded call is pending nobody polls it, and the task sleeps.

use cede::offload;
use cede_fixtures::Gate;
use cede_integration_tests::{PATIENCE, under_c};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// A task that tells when it is woken.
struct Tells(Mutex<Sender<()>>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        self.0.lock().unwrap().send(()).unwrap();
    }
}

#[test]
fn once_for_each_time() {
    static POLLS: AtomicUsize = AtomicUsize::new(0);
    static READY: AtomicBool = AtomicBool::new(false);
    static WAKER: Mutex<Option<Waker>> = Mutex::new(None);

    let waits = poll_fn(|cx: &mut Context<'_>| {
        POLLS.fetch_add(1, SeqCst);
        *WAKER.lock().unwrap() = Some(cx.waker().clone());
        match READY.load(SeqCst) {
            true => Poll::Ready(7),
            false => Poll::Pending,
        }
    });
    let (tells, woken) = channel();
    let waker = Waker::from(Arc::new(Tells(Mutex::new(tells))));
    let mut cx = Context::from_waker(&waker);
    let gate = Arc::new(Gate::new());
    let opens = gate.clone();
    let mut call = pin!(offload(move || {
        gate.wait();
        under_c(|| cede::callback(waits))
    }));

    assert!(call.as_mut().poll(&mut cx).is_pending());
    opens.open();
    woken.recv_timeout(PATIENCE).expect("C calls back");
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert_eq!(POLLS.load(SeqCst), 1);
    assert!(woken.try_recv().is_err(), "there is nothing to do");

    READY.store(true, SeqCst);
    WAKER.lock().unwrap().take().unwrap().wake();
    let answer = loop {
        woken
            .recv_timeout(PATIENCE)
            .expect("there is something to do");
        if let Poll::Ready(answer) = call.as_mut().poll(&mut cx) {
            break answer;
        }
    };
    assert_eq!(answer, Ok(7));
    assert_eq!(POLLS.load(SeqCst), 2);
}
