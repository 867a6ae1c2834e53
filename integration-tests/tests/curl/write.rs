//! The write callback: a download waits for who takes it.

use crate::easy;
use crate::server::{Server, bytes};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::sync::mpsc;

const SIZE: usize = 3_000_000;

#[test]
fn a_download_waits_for_room_in_a_bounded_channel() {
    let _watchdog = Watchdog::new("download");
    on_worker(1, async {
        let server = Server::start().await;
        let mut easy = easy(&server.bytes(SIZE));
        let (send, mut chunks) = mpsc::channel::<Vec<u8>>(1);
        let arrived = Arc::new(AtomicUsize::new(0));
        let download = tokio::spawn({
            let arrived = arrived.clone();
            async move {
                cede::call(move || {
                    let mut transfer = easy.transfer();
                    transfer.write_function(|chunk| {
                        arrived.fetch_add(1, SeqCst);
                        let sent = cede::callback(send.send(chunk.to_vec()));
                        Ok(if matches!(sent, Ok(Ok(()))) {
                            chunk.len()
                        } else {
                            0
                        })
                    })?;
                    transfer.perform()
                })
                .named("curl_easy_perform")
                .await
            }
        });
        let (mut taken, mut received) = (0, Vec::new());
        while let Some(chunk) = chunks.recv().await {
            taken += 1;
            received.extend_from_slice(&chunk);
            // One in the channel, one that waits for it.
            let ahead = arrived.load(SeqCst) - taken;
            assert!(ahead <= 2, "C is {ahead} chunks ahead");
        }
        download.await.unwrap().unwrap();
        assert!(taken > 10, "{taken} chunks");
        assert!(received == bytes(SIZE));
    });
}

#[test]
fn a_reader_that_leaves_aborts_the_download() {
    let _watchdog = Watchdog::new("aborted download");
    on_worker(1, async {
        let server = Server::start().await;
        let mut easy = easy(&server.endless());
        let (send, mut chunks) = mpsc::channel::<Vec<u8>>(1);
        let download = tokio::spawn(async move {
            cede::call(|| {
                let mut transfer = easy.transfer();
                transfer.write_function(|chunk| {
                    let sent = cede::callback(send.send(chunk.to_vec()));
                    Ok(if matches!(sent, Ok(Ok(()))) {
                        chunk.len()
                    } else {
                        0
                    })
                })?;
                transfer.perform()
            })
            .await
        });
        assert!(chunks.recv().await.is_some());
        drop(chunks);
        let error = download.await.unwrap().unwrap_err();
        assert!(error.is_write_error(), "{error}");
        server.hung_up().await;
    });
}
