//! The read callback: an upload waits for who produces it.

use crate::easy;
use crate::server::{Server, bytes, sum};
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use curl::Error;
use curl::easy::{Easy, List, ReadError};
use tokio::sync::mpsc;

/// A body, piece by piece; `None` if there will be no more, although it is not complete.
type Pieces = mpsc::Receiver<Option<Vec<u8>>>;

/// Uploads what comes through the channel. It blocks, as C does.
fn upload(easy: &mut Easy, size: usize, mut pieces: Pieces) -> Result<Vec<u8>, Error> {
    let mut headers = List::new();
    // Not first to ask whether it may.
    headers.append("Expect:")?;
    easy.http_headers(headers)?;
    easy.upload(true)?;
    easy.in_filesize(size as u64)?;
    let mut answer = Vec::new();
    let mut transfer = easy.transfer();
    transfer.read_function(|buffer| match cede::callback(pieces.recv()) {
        Ok(Some(Some(piece))) => {
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
        Ok(None) => Ok(0),
        Ok(Some(None)) | Err(_) => Err(ReadError::Abort),
    })?;
    transfer.write_function(|bytes| {
        answer.extend_from_slice(bytes);
        Ok(bytes.len())
    })?;
    transfer.perform()?;
    drop(transfer);
    Ok(answer)
}

#[test]
fn an_upload_waits_for_a_task_of_the_same_worker() {
    const SIZE: usize = 500_000;

    let _watchdog = Watchdog::new("upload");
    on_worker(1, async {
        let server = Server::start().await;
        let mut easy = easy(&server.sum());
        let (produce, pieces) = mpsc::channel(1);
        let producer = tokio::spawn(async move {
            for piece in bytes(SIZE).chunks(10_000) {
                tokio::task::yield_now().await;
                produce.send(Some(piece.to_vec())).await.unwrap();
            }
        });
        let answer = cede::call(|| upload(&mut easy, SIZE, pieces)).await;
        assert_eq!(answer.unwrap(), sum(&bytes(SIZE)).into_bytes());
        producer.await.unwrap();
    });
}

#[test]
fn a_producer_that_gives_up_aborts_the_upload() {
    let _watchdog = Watchdog::new("aborted upload");
    on_worker(1, async {
        let server = Server::start().await;
        let mut easy = easy(&server.sum());
        let (produce, pieces) = mpsc::channel(1);
        tokio::spawn(async move {
            produce.send(Some(bytes(1000))).await.unwrap();
            produce.send(None).await.unwrap();
        });
        let answer = cede::call(|| upload(&mut easy, 2000, pieces)).await;
        let error = answer.unwrap_err();
        assert!(error.is_aborted_by_callback(), "{error}");
        server.hung_up().await;
    });
}
