//! The header callback: headers are told one by one, and one may end the transfer.

use crate::easy;
use crate::server::Server;
use cede_integration_tests::on_worker;
use cede_integration_tests::process::Watchdog;
use tokio::sync::{mpsc, oneshot};

/// Downloads for as long as a task agrees to the headers; what it was told.
async fn download(agrees: fn(&str) -> bool) -> (Vec<String>, Result<(), curl::Error>) {
    let server = Server::start().await;
    let mut easy = easy(&server.bytes(1000));
    let (tell, mut told) = mpsc::channel::<(String, oneshot::Sender<bool>)>(1);
    let listener = tokio::spawn(async move {
        let mut headers = Vec::new();
        while let Some((header, answer)) = told.recv().await {
            answer.send(agrees(&header)).unwrap();
            headers.push(header);
        }
        headers
    });
    let agree = async |header: &[u8]| {
        let (answer, answered) = oneshot::channel();
        let header = String::from_utf8_lossy(header).trim().to_owned();
        tell.send((header, answer)).await.unwrap();
        answered.await.unwrap()
    };
    let outcome = cede::call(|| {
        let mut transfer = easy.transfer();
        transfer.header_function(|header| cede::callback(agree(header)).unwrap_or(false))?;
        transfer.write_function(|chunk| Ok(chunk.len()))?;
        transfer.perform()
    })
    .await;
    drop(tell);
    (listener.await.unwrap(), outcome)
}

#[test]
fn a_task_of_the_same_worker_is_told_each_header() {
    let _watchdog = Watchdog::new("headers");
    on_worker(1, async {
        let (headers, outcome) = download(|_| true).await;
        outcome.unwrap();
        let sent = [
            "HTTP/1.1 200 OK",
            "Content-Length: 1000",
            "Connection: close",
            "",
        ];
        assert_eq!(headers, sent);
    });
}

#[test]
fn a_header_that_it_does_not_like_ends_the_transfer() {
    let _watchdog = Watchdog::new("disliked header");
    on_worker(1, async {
        let (headers, outcome) = download(|header| !header.starts_with("Content")).await;
        let error = outcome.unwrap_err();
        assert!(error.is_write_error(), "{error}");
        assert_eq!(headers, ["HTTP/1.1 200 OK", "Content-Length: 1000"]);
    });
}
