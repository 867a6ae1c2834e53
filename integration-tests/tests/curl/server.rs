//! An HTTP server on this host, as a task of the runtime that it is started on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A server. It answers one request a connection.
pub(crate) struct Server {
    address: SocketAddr,
    hung_up: Arc<Notify>,
    clients: Arc<AtomicUsize>,
}

/// What a client wants.
struct Request {
    what: String,
    body: usize,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hung_up = Arc::new(Notify::new());
        let clients = Arc::new(AtomicUsize::new(0));
        let (told, counter) = (hung_up.clone(), clients.clone());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (told, counter) = (told.clone(), counter.clone());
                counter.fetch_add(1, SeqCst);
                tokio::spawn(async move {
                    let served = serve(client).await;
                    counter.fetch_sub(1, SeqCst);
                    if served.is_err() {
                        told.notify_one();
                    }
                });
            }
        });
        Self {
            address,
            hung_up,
            clients,
        }
    }

    /// `GET` gives so many [`bytes`].
    pub(crate) fn bytes(&self, count: usize) -> String {
        format!("http://{}/{count}", self.address)
    }

    /// `GET` gives bytes for as long as the client takes them.
    pub(crate) fn endless(&self) -> String {
        format!("http://{}/endless", self.address)
    }

    /// `PUT` gives the sum of the bytes that were sent.
    pub(crate) fn sum(&self) -> String {
        format!("http://{}/sum", self.address)
    }

    /// Waits until a client has hung up in the midst of a transfer.
    pub(crate) async fn hung_up(&self) {
        self.hung_up.notified().await;
    }

    /// Waits until every connection that was accepted is closed.
    pub(crate) async fn idle(&self) {
        while self.clients.load(SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The bytes of a body.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i % 251) as u8).collect()
}

/// What [`Server::sum`] says of a body.
pub(crate) fn sum(body: &[u8]) -> String {
    body.iter()
        .map(|&byte| u64::from(byte))
        .sum::<u64>()
        .to_string()
}

async fn serve(client: TcpStream) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let request = head(&mut client).await?;
    match &*request.what {
        "PUT /sum" => {
            let mut body = vec![0; request.body];
            client.read_exact(&mut body).await?;
            answer(&mut client, sum(&body).as_bytes()).await
        }
        "GET /endless" => {
            let endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            client.write_all(endless).await?;
            loop {
                client.write_all(&[0; 4096]).await?;
            }
        }
        what => {
            let count = what.trim_start_matches("GET /").parse().unwrap();
            answer(&mut client, &bytes(count)).await
        }
    }
}

async fn head(client: &mut BufReader<TcpStream>) -> io::Result<Request> {
    let mut lines = client.lines();
    let first = lines.next_line().await?.unwrap_or_default();
    let (what, _) = first.rsplit_once(' ').expect("method, path and version");
    let mut request = Request {
        what: what.into(),
        body: 0,
    };
    while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
        if let Some(length) = line.strip_prefix("Content-Length: ") {
            request.body = length.parse().unwrap();
        }
    }
    Ok(request)
}

async fn answer(client: &mut BufReader<TcpStream>, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(body).await?;
    client.flush().await
}
