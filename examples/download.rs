//! A download with libcurl into a bounded channel, on a runtime with one worker: curl waits, in the
//! midst of its transfer, for the task that takes the chunks; the server is a third task.

use curl::easy::Easy;
use std::{io, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const SIZE: usize = 2_000_000;

/// Sends a large body to whoever asks for whatever.
async fn answer(mut client: TcpStream) -> io::Result<()> {
    if client.read(&mut [0; 1024]).await? == 0 {
        return Ok(()); // left before it asked
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    client.write_all(head.as_bytes()).await?;
    client.write_all(&vec![b'x'; SIZE]).await
}

/// Downloads. It blocks, as C does.
fn download(url: &str, chunks: mpsc::Sender<Vec<u8>>) -> Result<(), curl::Error> {
    let mut easy = Easy::new();
    easy.url(url)?;
    easy.noproxy("*")?; // on this host
    let mut transfer = easy.transfer();
    transfer.write_function(|chunk| {
        // This is Rust under C. While the channel is full the task waits, and curl with it.
        match cede::callback(chunks.send(chunk.to_vec())) {
            Ok(Ok(())) => Ok(chunk.len()),
            // Nobody takes it, or the callback was refused: curl gives up by its own rules.
            _ => Ok(0),
        }
    })?;
    transfer.perform()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client));
        }
    });

    // One chunk in the channel, and one that waits in C: more is not held in memory.
    let (send, mut chunks) = mpsc::channel(1);
    let to = url.clone();
    let whole = tokio::spawn(cede::call(move || download(&to, send)).named("curl_easy_perform"));
    let (mut count, mut bytes) = (0, 0);
    while let Some(chunk) = chunks.recv().await {
        tokio::time::sleep(Duration::from_micros(200)).await; // takes its time
        count += 1;
        bytes += chunk.len();
    }
    whole.await??;
    println!("{bytes} bytes in {count} chunks");
    assert_eq!(bytes, SIZE);

    // Who has seen enough just leaves.
    let (send, mut chunks) = mpsc::channel(1);
    let part = tokio::spawn(cede::call(move || download(&url, send)).named("curl_easy_perform"));
    chunks.recv().await.ok_or("a first chunk")?;
    drop(chunks);
    let error = part.await?.expect_err("curl was told to give up");
    println!("and then: {error}");
    assert!(error.is_write_error());
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
