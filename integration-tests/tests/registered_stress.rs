//! Registrations are made, called from eight threads of C's, dropped and closed, all at once. Nothing is lost, nothing is
//! found that is gone.
//!
//! For two seconds; `CEDE_STRESS_SECONDS` says otherwise.

use cede::{Events, Overflow, Registered, Reply};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::workers;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

type IntToInt = Registered<fn(c_int) -> c_int>;

/// What C has: where the registrations' functions and data are, of which any may be gone.
#[derive(Clone, Copy)]
struct Listed {
    function: extern "C" fn(*mut std::ffi::c_void, c_int) -> c_int,
    data: usize,
}

impl Listed {
    fn call(self, arg: c_int) -> c_int {
        (self.function)(std::ptr::without_provenance_mut(self.data), arg)
    }
}

const SLOTS: usize = 8;
const THREADS: usize = 8;

fn duration() -> Duration {
    let seconds = std::env::var("CEDE_STRESS_SECONDS").ok();
    Duration::from_secs(seconds.map_or(2, |text| text.parse().unwrap()))
}

fn list(registered: &IntToInt) -> Listed {
    Listed {
        function: registered.data_first(),
        data: registered.data().addr(),
    }
}

/// Panics in a callback if the closure has been dropped.
struct Alive(AtomicBool);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

fn awaited(counts: &Arc<Counts>) -> IntToInt {
    let (counts, alive) = (counts.clone(), Alive(AtomicBool::new(true)));
    Registered::new(-1, move |n: c_int| {
        assert!(alive.0.load(Ordering::SeqCst), "the closure is gone");
        counts.begun.fetch_add(1, Ordering::SeqCst);
        let counts = counts.clone();
        async move {
            if n % 2 == 0 {
                tokio::task::yield_now().await;
            }
            counts.ended.fetch_add(1, Ordering::SeqCst);
            n
        }
    })
}

/// Reads to the end: as much as was taken and not dropped.
async fn count(mut events: Events<c_int>) -> u64 {
    let mut read = 0;
    while events.recv().await.is_some() {
        read += 1;
    }
    read + events.dropped()
}

#[test]
fn eight_foreign_threads() {
    let length = duration();
    let _watchdog = Watchdog::with_limit("stress", length + Duration::from_secs(60));
    let runtime = workers(2);
    let counts = Arc::new(Counts::default());
    let offered = Arc::new(AtomicU64::new(0));
    let listed: Arc<[Mutex<Option<Listed>>; SLOTS]> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (listed, done, offered) = (listed.clone(), done.clone(), offered.clone());
            thread::spawn(move || {
                let mut n = thread;
                while !done.load(Ordering::SeqCst) {
                    n += 7;
                    let slot = n % SLOTS;
                    let Some(c) = *listed[slot].lock().unwrap() else {
                        continue;
                    };
                    let answer = c.call(n as c_int & 0xffff);
                    if slot % 2 == 0 {
                        assert!(answer == -1 || answer == n as c_int & 0xffff);
                    } else if answer == 0 {
                        offered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let seen = runtime.block_on(async {
        let began = Instant::now();
        let mut readers = Vec::new();
        let mut round = 0;
        while began.elapsed() < length {
            round += 1;
            let slot = round % SLOTS;
            let registered = if slot % 2 == 0 {
                awaited(&counts)
            } else {
                let reply = Reply {
                    taken: 0,
                    refused: -1,
                };
                let overflow = [Overflow::DropOldest, Overflow::DropNewest][round / SLOTS % 2];
                let (stream, events) = Registered::stream(64, overflow, reply, |n: c_int| n);
                readers.push(tokio::spawn(count(events)));
                stream
            };
            *listed[slot].lock().unwrap() = Some(list(&registered));
            tokio::time::sleep(Duration::from_micros(500)).await;
            if round % 3 == 0 {
                drop(registered);
            } else {
                registered.close().await;
            }
        }
        done.store(true, Ordering::SeqCst);
        let mut seen = 0;
        for reader in readers {
            seen += reader.await.unwrap();
        }
        seen
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(seen, offered.load(Ordering::SeqCst));
    let begun = counts.begun.load(Ordering::SeqCst);
    assert_eq!(counts.ended.load(Ordering::SeqCst), begun);
    assert!(begun > 0 && seen > 0);
    assert_eq!(cede::metrics().registrations, 0);
}
