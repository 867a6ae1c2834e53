//! Suspended transfers: many in the midst of C on one thread.

use crate::easy;
use crate::server::{Server, bytes};
use cede_integration_tests::process::Watchdog;
use cede_integration_tests::{on_current_thread, workers};
use futures::future::join_all;
use std::future::pending;
use std::sync::{Arc, Mutex};
use tokio::sync::{Barrier, Notify};

#[test]
fn downloads_on_one_thread_meet_in_the_midst_of_c() {
    const DOWNLOADS: usize = 20;
    const SIZE: usize = 100_000;

    let _watchdog = Watchdog::new("suspended downloads");
    // Not on the thread that waits in C for what the server sends.
    let elsewhere = workers(1);
    let server = elsewhere.block_on(Server::start());
    on_current_thread(async {
        let barrier = Arc::new(Barrier::new(DOWNLOADS));
        let downloads = (0..DOWNLOADS).map(|_| {
            let mut easy = easy(&server.bytes(SIZE));
            let barrier = barrier.clone();
            cede::call(move || {
                let mut received = Vec::new();
                let mut transfer = easy.transfer();
                transfer.write_function(|chunk| {
                    let met = cede::callback(async {
                        if received.is_empty() {
                            barrier.wait().await;
                        }
                        received.extend_from_slice(chunk);
                    });
                    Ok(met.map_or(0, |()| chunk.len()))
                })?;
                transfer.perform()?;
                drop(transfer);
                Ok::<_, curl::Error>(received)
            })
            .suspendable()
        });
        for received in join_all(downloads).await {
            assert!(received.unwrap() == bytes(SIZE));
        }
    });
}

#[test]
fn a_download_that_is_dropped_hangs_up_within_the_drop() {
    let _watchdog = Watchdog::new("dropped download");
    let elsewhere = workers(1);
    let server = elsewhere.block_on(Server::start());
    on_current_thread(async {
        let (waits, outcome) = (Arc::new(Notify::new()), Arc::new(Mutex::new(None)));
        let mut easy = easy(&server.endless());
        let download = {
            let (waits, outcome) = (waits.clone(), outcome.clone());
            let run = move || {
                let mut transfer = easy.transfer();
                transfer.write_function(|chunk| {
                    let forever = cede::callback(async {
                        waits.notify_one();
                        pending::<()>().await;
                    });
                    Ok(forever.map_or(0, |()| chunk.len()))
                })?;
                let performed = transfer.perform();
                *outcome.lock().unwrap() = Some(performed);
                Ok::<_, curl::Error>(())
            };
            cede::call(run).suspendable()
        };
        tokio::select! {
            biased;
            _ = download => unreachable!("it waits forever"),
            () = waits.notified() => (),
        }
        let performed = outcome.lock().unwrap().take();
        let error = performed.expect("C has returned").unwrap_err();
        assert!(error.is_write_error(), "{error}");
    });
    elsewhere.block_on(server.hung_up());
}
