//! A SQL function that awaits an HTTP response, through `rusqlite`'s own safe interface, on a runtime
//! with one worker: the server that it asks is a task of the same worker.

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Error};
use std::{io, net::SocketAddr, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The degrees in a city, so far as it has a name: a server that takes its time.
async fn answer(mut client: TcpStream) -> io::Result<()> {
    let mut request = [0; 1024];
    let length = client.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..length]);
    let city = request.split([' ', '/']).nth(2).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let response = format!("HTTP/1.0 200 OK\r\n\r\n{}", city.len());
    client.write_all(response.as_bytes()).await
}

/// The body of a response.
async fn get(server: SocketAddr, path: &str) -> io::Result<String> {
    let mut server = TcpStream::connect(server).await?;
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    server.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    server.read_to_string(&mut response).await?;
    let body = response.split_once("\r\n\r\n").map(|(_, body)| body);
    Ok(body.ok_or(io::ErrorKind::InvalidData)?.to_owned())
}

/// A connection on which `http_get(path)` is a SQL function.
fn connect(server: SocketAddr) -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    let flags = FunctionFlags::SQLITE_UTF8;
    db.create_scalar_function("http_get", 1, flags, move |arguments| {
        let path: String = arguments.get(0)?;
        // This is Rust under C. The future is polled by the task that runs the query.
        match cede::callback(get(server, &path)) {
            Ok(Ok(body)) => Ok(body),
            // SQLite gives the query up by its own rules.
            Ok(Err(failed)) => Err(Error::UserFunctionError(failed.into())),
            Err(refused) => Err(Error::UserFunctionError(refused.into())),
        }
    })?;
    Ok(db)
}

/// A query with three requests. It blocks, as C does.
fn query(server: SocketAddr) -> rusqlite::Result<f64> {
    let average =
        "SELECT avg(http_get('/' || value)) FROM json_each('[\"Bonn\", \"Oslo\", \"Roma\"]')";
    connect(server)?.query_row(average, [], |row| row.get(0))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client));
        }
    });
    let queries = [(); 20].map(|()| tokio::spawn(cede::call(move || query(server))));
    for query in queries {
        assert_eq!(query.await??, 4.0);
    }
    println!("20 queries at once on one worker: 4 degrees on average");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
