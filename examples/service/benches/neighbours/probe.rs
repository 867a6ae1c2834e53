//! A client that asks for something trivial once a millisecond.

use hdrhistogram::Histogram;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(1);

/// A connection that is kept, on a thread that does nothing else: what it measures is the service, as far as that goes.
pub(crate) struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the service listens");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            answer: vec![0; 64 << 10],
        }
    }

    /// What a good answer takes.
    pub(crate) fn time(&mut self, path: &str) -> Duration {
        let asked = Instant::now();
        assert!(self.get(path), "a good answer");
        asked.elapsed()
    }

    /// Asks, and reads the answer, which comes in one piece. Whether it is good.
    pub(crate) fn get(&mut self, path: &str) -> bool {
        let request = format!("GET {path} HTTP/1.1\r\nhost: service\r\n\r\n");
        let sent = self.stream.write_all(request.as_bytes());
        sent.expect("the service reads");
        let length = self.stream.read(&mut self.answer);
        let answer = &self.answer[..length.expect("the service answers")];
        answer.starts_with(b"HTTP/1.1 200")
    }
}

/// The 99th percentile of what a request for the path takes, of those in so much time. One that takes long stands for those that
/// were due meanwhile, too.
pub(crate) fn p99_us(address: SocketAddr, path: &str, time: Duration) -> f64 {
    let mut client = Client::connect(address);
    client.time(path);
    let mut took = Histogram::<u64>::new(3).expect("three digits");
    let begun = Instant::now();
    while begun.elapsed() < time {
        let this = client.time(path);
        let (us, interval) = (this.as_micros() as u64, INTERVAL.as_micros() as u64);
        took.record_correct(us, interval)
            .expect("a histogram that grows");
        sleep(INTERVAL.saturating_sub(this));
    }
    took.value_at_quantile(0.99) as f64
}
