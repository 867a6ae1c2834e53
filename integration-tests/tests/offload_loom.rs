//! The life of an offloaded call, in every interleaving: the task, the C thread and a canceller.
//!
//! The very file of the crate is compiled here against the model checker's lock. What C asks for is a cell that only one
//! side may touch at a time; outcomes and closures are counted, so that none is lost or dropped twice.

#![allow(dead_code, reason = "each model uses a part of the protocol")]

#[path = "../../src/offload/life.rs"]
mod life;

/// What `crate::sync` is to the protocol.
mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap()
    }
}

use life::{Finished, Kinds, Life, Next, NotRun, Rest, Step, Ticket};
use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::thread;
// What only counts is no part of the protocol: the model checker need not try its orders.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Model;

impl Kinds for Model {
    type Work = Counted;
    type Ask = Asked;
    type Answer = Answer;
    type Outcome = Counted;
    type Errand = u32;
    type Waker = Arc<Notify>;
    type Ticket = Counts;
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Cancelled,
}

/// Something that has to be dropped once.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(alive.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        assert!(self.0.fetch_sub(1, Ordering::Relaxed) > 0);
    }
}

/// The future in the frame of C's thread: whoever touches it has it for itself, which the model checker verifies.
#[derive(Clone)]
struct Asked(Arc<Polls>);

struct Polls(UnsafeCell<u32>);

// SAFETY: that it is touched by one side at a time is what the model checks.
unsafe impl Send for Polls {}
// SAFETY: as above.
unsafe impl Sync for Polls {}

impl Asked {
    fn new() -> Self {
        Self(Arc::new(Polls(UnsafeCell::new(0))))
    }

    fn touch(&self) -> u32 {
        self.0.0.with_mut(|polls| {
            // SAFETY: the model checker fails if another thread is at it.
            let polls = unsafe { &mut *polls };
            *polls += 1;
            *polls
        })
    }
}

/// The crate's counters: calls in flight, and how many of them are abandoned. The two are exact at every moment.
#[derive(Default)]
struct Tally {
    flying: AtomicUsize,
    abandoned: AtomicUsize,
}

struct Counts {
    tally: Arc<Tally>,
    is_abandoned: bool,
}

impl Counts {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.flying.fetch_add(1, Ordering::Relaxed);
        Self {
            tally: tally.clone(),
            is_abandoned: false,
        }
    }
}

impl Ticket for Counts {
    type Wakes = ();
    fn abandon(&mut self) {
        self.is_abandoned = true;
        self.tally.abandoned.fetch_add(1, Ordering::Relaxed);
    }
    fn settle(self) {
        self.tally
            .abandoned
            .fetch_sub(usize::from(self.is_abandoned), Ordering::Relaxed);
        assert!(self.tally.flying.fetch_sub(1, Ordering::Relaxed) > 0);
    }
}

/// A call that is about to be run.
struct Call {
    life: Life<Model>,
    alive: Arc<AtomicUsize>,
    tally: Arc<Tally>,
    interrupts: AtomicUsize,
    runs: AtomicUsize,
}

impl Call {
    fn submitted() -> Arc<Self> {
        let alive = Arc::new(AtomicUsize::new(0));
        let tally = Arc::<Tally>::default();
        let life = Life::new(Counted::new(&alive));
        assert!(life.submit(Counts::new(&tally)).is_none());
        Arc::new(Self {
            life,
            alive,
            tally,
            interrupts: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
        })
    }

    /// The C thread: calls back so many times, and returns what it was told.
    fn run(&self, callbacks: u32) -> Vec<Answer> {
        let mut answers = Vec::new();
        let Some(work) = self.life.start() else {
            return answers;
        };
        assert_eq!(self.runs.fetch_add(1, Ordering::Relaxed), 0);
        drop(work);
        for _ in 0..callbacks {
            answers.push(self.call_back());
        }
        match self.life.finish(Counted::new(&self.alive)) {
            Finished::Delivered(waker, _) => waker.into_iter().for_each(|waker| waker.notify()),
            Finished::Unwanted(outcome, ticket) => {
                drop(outcome);
                ticket.unwrap().settle();
            }
        }
        answers
    }

    fn call_back(&self) -> Answer {
        let frame = Asked::new();
        match self.life.ask(frame.clone()) {
            Err(_) => Answer::Cancelled,
            Ok(waker) => {
                waker.into_iter().for_each(|waker| waker.notify());
                let answer = loop {
                    match self.life.next_step() {
                        Step::Run(_) => {}
                        Step::GoOn(answer) => break answer,
                    }
                };
                // The frame is C's again.
                frame.touch();
                answer
            }
        }
    }

    /// The task: one poll. `true` when there is an outcome. A future is ready at its second poll.
    fn poll(&self, woken: &Arc<Notify>) -> Option<Result<Counted, NotRun>> {
        loop {
            let (next, before) = self.life.poll(woken.clone());
            drop(before);
            match next {
                Next::Wait => return None,
                Next::Deliver(outcome) => return Some(Ok(outcome)),
                Next::NotRun(why) => return Some(Err(why)),
                Next::Poll(asked) if asked.touch() == 1 => match self.life.keep_asking(asked) {
                    None => {
                        // The future has kept the waker, and is ready.
                        woken.notify();
                        return None;
                    }
                    Some(asked) => {
                        asked.touch();
                        drop(asked);
                        self.life.answer(Answer::Cancelled);
                    }
                },
                Next::Poll(asked) => {
                    drop(asked);
                    self.life.answer(Answer::Done);
                }
            }
        }
    }

    fn await_outcome(&self) -> Result<Counted, NotRun> {
        let woken = Arc::new(Notify::new());
        loop {
            if let Some(outcome) = self.poll(&woken) {
                return outcome;
            }
            woken.wait();
        }
    }

    /// Whoever cancels, and the task when it drops the future.
    fn clear(&self, rest: Rest<Model>) {
        match rest {
            Rest::Nothing => {}
            Rest::Work(work, ticket, waker) => {
                drop(work);
                ticket.into_iter().for_each(Counts::settle);
                waker.into_iter().for_each(|waker| waker.notify());
            }
            Rest::Ask(asked) => {
                asked.touch();
                drop(asked);
                self.life.answer(Answer::Cancelled);
                self.interrupts.fetch_add(1, Ordering::Relaxed);
            }
            Rest::InC => {
                self.interrupts.fetch_add(1, Ordering::Relaxed);
            }
            Rest::Outcome(outcome) => drop(outcome),
        }
    }

    /// When everybody is through, nothing is left.
    fn check(&self) {
        assert_eq!(self.alive.load(Ordering::Relaxed), 0, "leaked");
        assert_eq!(self.tally.flying.load(Ordering::Relaxed), 0);
        assert_eq!(self.tally.abandoned.load(Ordering::Relaxed), 0);
        assert!(self.interrupts.load(Ordering::Relaxed) <= 1);
    }
}

/// The two sides of a call, each on its thread, then the check.
fn sides<T>(
    callbacks: u32,
    task: impl FnOnce(&Arc<Call>) -> T,
    check: impl FnOnce(T, Vec<Answer>),
) {
    let call = Call::submitted();
    let c_thread = thread::spawn({
        let call = call.clone();
        move || call.run(callbacks)
    });
    let seen = task(&call);
    let answers = c_thread.join().unwrap();
    check(seen, answers);
    call.check();
}

/// More than two switches against a thread's will add states, not faults: the usual bound of the model checker.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn an_awaited_call_delivers_its_outcome_and_every_callback_is_answered() {
    bounded(|| {
        sides(
            2,
            |call| {
                let outcome = call.await_outcome();
                assert!(outcome.is_ok());
                assert_eq!(
                    call.tally.flying.load(Ordering::Relaxed),
                    0,
                    "settled first"
                );
            },
            |(), answers| assert_eq!(answers, [Answer::Done, Answer::Done]),
        );
    });
}

#[test]
fn a_future_may_be_dropped_at_any_moment() {
    for polls in 0..3 {
        bounded(move || {
            sides(
                1,
                |call| {
                    let woken = Arc::new(Notify::new());
                    for _ in 0..polls {
                        if call.poll(&woken).is_some() {
                            return;
                        }
                    }
                    call.clear(call.life.abandon().rest);
                },
                |(), answers| assert!(answers.len() <= 1),
            );
        });
    }
}

#[test]
fn whoever_cancels_the_awaited_call_ends() {
    bounded(|| {
        sides(
            1,
            |call| {
                let canceller = thread::spawn({
                    let call = call.clone();
                    move || call.clear(call.life.cancel())
                });
                let outcome = call.await_outcome();
                canceller.join().unwrap();
                outcome.map(drop)
            },
            |outcome, answers| match outcome {
                Ok(()) => assert_eq!(answers.len(), 1),
                Err(why) => {
                    assert_eq!(why, NotRun::Cancelled);
                    assert!(answers.is_empty());
                }
            },
        );
    });
}

#[test]
fn a_drop_and_a_cancellation_do_not_take_the_same_thing() {
    bounded(|| {
        sides(
            1,
            |call| {
                let canceller = thread::spawn({
                    let call = call.clone();
                    move || call.clear(call.life.cancel())
                });
                let woken = Arc::new(Notify::new());
                if call.poll(&woken).is_none() {
                    call.clear(call.life.abandon().rest);
                }
                canceller.join().unwrap();
            },
            |(), answers| assert!(answers.len() <= 1),
        );
    });
}

#[test]
fn a_pool_that_discards_the_job_tells_the_task() {
    bounded(|| {
        let call = Call::submitted();
        let pool = thread::spawn({
            let call = call.clone();
            move || call.clear(call.life.discard())
        });
        assert_eq!(call.await_outcome().map(drop), Err(NotRun::Discarded));
        pool.join().unwrap();
        call.check();
    });
}

#[test]
fn an_errand_is_run_before_c_goes_on() {
    bounded(|| {
        let call = Call::submitted();
        let c_thread = thread::spawn({
            let call = call.clone();
            move || {
                drop(call.life.start());
                assert!(call.life.ask(Asked::new()).is_ok());
                let mut errands = Vec::new();
                loop {
                    match call.life.next_step() {
                        Step::Run(errand) => errands.push(errand),
                        Step::GoOn(answer) => break assert_eq!(answer, Answer::Done),
                    }
                }
                assert_eq!(errands, [1, 2]);
                let _ = call.life.finish(Counted::new(&call.alive));
            }
        });
        let woken = Arc::new(Notify::new());
        let asked = loop {
            match call.life.poll(woken.clone()).0 {
                Next::Poll(asked) => break asked,
                _ => thread::yield_now(),
            }
        };
        assert!(call.life.serve(1).is_ok());
        assert!(call.life.keep_asking(asked).is_none());
        assert_eq!(call.life.serve(3), Err(3), "nobody is there to poll for");
        let Next::Poll(asked) = call.life.poll(woken).0 else {
            panic!("it is asked still");
        };
        assert!(call.life.serve(2).is_ok());
        drop(asked);
        call.life.answer(Answer::Done);
        c_thread.join().unwrap();
    });
}

#[test]
fn what_is_done_while_c_runs_ends_before_c_has_returned() {
    bounded(|| {
        let call = Call::submitted();
        let in_c = Arc::new(AtomicUsize::new(0));
        let c_thread = thread::spawn({
            let (call, in_c) = (call.clone(), in_c.clone());
            move || {
                in_c.store(1, Ordering::Relaxed);
                if let Some(work) = call.life.start() {
                    drop(work);
                    let finished = call.life.finish(Counted::new(&call.alive));
                    in_c.store(0, Ordering::Relaxed);
                    drop(finished);
                }
            }
        });
        let _ = call
            .life
            .if_in_c(|| assert_eq!(in_c.load(Ordering::Relaxed), 1));
        c_thread.join().unwrap();
    });
}
