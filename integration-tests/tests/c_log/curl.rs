//! What libcurl says of a transfer, by `CURLOPT_DEBUGFUNCTION`: with its user data last, and a text that has a length.

use super::record::{Line, Lines};
use cede::CLog;
use cede_integration_tests::on_worker;
use curl::easy::Easy;
use curl_sys::{CURL, CURLE_OK, CURLOPT_DEBUGDATA, CURLOPT_DEBUGFUNCTION, curl_easy_setopt};
use std::ffi::{c_char, c_int};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Level, info_span};

/// Answers one request.
fn serve_once() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert!(client.read(&mut request).unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        client.write_all(answer).unwrap();
    });
    address
}

async fn transfer() {
    let kept = CLog::new("curl");
    let line = |log: &CLog, _: *mut CURL, kind: c_int, text: *mut c_char, length: usize| {
        let level = match kind {
            0 => Level::DEBUG,     // CURLINFO_TEXT
            1 | 2 => Level::TRACE, // headers
            _ => return 0,         // data
        };
        // SAFETY: curl passes so many bytes.
        unsafe { log.at(level).c_bytes(text, length) };
        0
    };
    let log = kept.callback(0, line);
    let mut easy = Easy::new();
    easy.url(&format!("http://{}/", serve_once())).unwrap();
    easy.noproxy("*").unwrap();
    easy.verbose(true).unwrap();
    // SAFETY: a live handle, and a function that this option takes. It is there until the handle is gone, and so is its data.
    let set = unsafe { curl_easy_setopt(easy.raw(), CURLOPT_DEBUGFUNCTION, log.data_last()) };
    assert_eq!(set, CURLE_OK);
    // SAFETY: as above.
    let set = unsafe { curl_easy_setopt(easy.raw(), CURLOPT_DEBUGDATA, log.data()) };
    assert_eq!(set, CURLE_OK);
    let perform = move || easy.perform();
    cede::call(perform).await.unwrap();
}

#[test]
fn a_transfer_is_in_the_span_of_the_task() {
    let (lines, subscriber) = Lines::recorded();
    let test = async { transfer().instrument(info_span!("download")).await };
    on_worker(1, test.with_subscriber(subscriber));
    let lines = lines.take();
    let of = |level| {
        let lines = lines.iter().filter(move |line: &&Line| line.level == level);
        lines.map(|line| line.text.as_str()).collect::<Vec<_>>()
    };
    assert!(lines.iter().all(|line| line.target == "cede::c::curl"));
    assert!(lines.iter().all(|line| line.spans == ["download"]));
    assert!(
        of(Level::DEBUG)
            .iter()
            .any(|text| text.contains("127.0.0.1")),
        "{lines:?}"
    );
    let headers = of(Level::TRACE);
    assert!(
        headers[0].starts_with("GET / HTTP/1.1\r\nHost: "),
        "{headers:?}"
    );
    assert_eq!(
        headers[1..],
        ["HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close"]
    );
}
