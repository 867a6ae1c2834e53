//! What a process sets for all of its threads at once reaches those in C as well: `setgid` returns when every thread has
//! acknowledged it.
//!
//! One test: the group is the process's.
#![cfg(target_env = "gnu")]

use cede_fixtures::plain::empty;
use cede_fixtures::{Crowd, Gate};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{PATIENCE, later, under_c, workers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn set_group() {
    // SAFETY: takes nothing.
    let group = unsafe { libc::getgid() };
    // SAFETY: sets what is set already, which everybody may.
    assert_eq!(unsafe { libc::setgid(group) }, 0);
}

#[test]
fn whatever_they_do() {
    let _watchdog = Watchdog::new("setgid");
    let (gate, crowd) = (Arc::new(Gate::new()), Arc::new(Crowd::new()));
    let over = Arc::new(AtomicBool::new(false));
    workers(2).block_on(async {
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let (gate, crowd) = (gate.clone(), crowd.clone());
                tokio::spawn(async move {
                    cede::call(|| {
                        crowd.wait_at(&gate);
                        under_c(|| cede::callback(async { empty(1) }))
                    })
                    .await
                })
            })
            .collect();
        assert!(crowd.await_inside(4, PATIENCE));
        let short: Vec<_> = (0..4)
            .map(|_| {
                let over = over.clone();
                tokio::spawn(async move {
                    while !over.load(Ordering::SeqCst) {
                        let call = cede::call(|| {
                            under_c(|| {
                                cede::callback(async {
                                    later().await;
                                    empty(1)
                                })
                            })
                        });
                        assert_eq!(call.await, Ok(2));
                    }
                })
            })
            .collect();
        for _ in 0..50 {
            set_group();
            let call = cede::call(|| {
                set_group();
                under_c(|| cede::callback(async { set_group() }))
            });
            assert_eq!(call.await, Ok(()));
        }
        over.store(true, Ordering::SeqCst);
        gate.open();
        for task in short {
            task.await.unwrap();
        }
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(2));
        }
    });
}
