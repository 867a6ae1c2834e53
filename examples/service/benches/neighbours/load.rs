//! The neighbours: 64 clients, each with a slow query after the other.

use crate::probe::Client;
use cede_service::Service;
use cede_service::db::{Access, Connection};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const CLIENTS: u32 = 64;
const QUERY: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    None,
    Waiting,
    Computing,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "alone",
            Self::Waiting => "waiting",
            Self::Computing => "computing",
        })
    }
}

/// Clients that go on until they are told to end.
pub(crate) struct Loaded {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn begin(self, address: SocketAddr) -> Loaded {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = match self {
            Self::None => 0,
            Self::Waiting | Self::Computing => CLIENTS,
        };
        let client = |number: u32| {
            let stop = stop.clone();
            thread::spawn(move || {
                // One after the other, as clients come.
                thread::sleep(QUERY * number / CLIENTS);
                self.ask(address, number, &stop)
            })
        };
        let clients = (0..clients).map(client).collect();
        thread::sleep(2 * QUERY);
        Loaded { stop, clients }
    }

    fn ask(self, address: SocketAddr, number: u32, stop: &AtomicBool) {
        let mut client = Client::connect(address);
        let path = match self {
            Self::None | Self::Waiting => format!("/kv/item-{number:05}/worth"),
            Self::Computing => String::from(REPORT),
        };
        while !stop.load(Ordering::Relaxed) {
            client.time(&path);
        }
    }
}

impl Loaded {
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("good answers");
        }
    }
}

/// A report of entries that are there for this alone.
const REPORT: &str = "/reports/ranks?prefix=load-";

/// Makes as many entries as a report takes so long for as a query should. How many.
pub(crate) fn prepare(service: &Service) -> i64 {
    let patience = Duration::from_secs(60);
    let db = Connection::open(service.database(), Access::Write, patience);
    let mut db = db.expect("the service's database");
    let mut client = Client::connect(service.address());
    let mut entries = 500;
    // Each entry is compared with each.
    for _ in 0..2 {
        fill(&mut db, entries);
        let took = (0..5).map(|_| client.time(REPORT)).min();
        let took = took.expect("five of them").as_secs_f64();
        entries = (entries as f64 * (QUERY.as_secs_f64() / took).sqrt()) as i64;
    }
    fill(&mut db, entries);
    entries
}

fn fill(db: &mut Connection, entries: i64) {
    let deleted = db.execute("DELETE FROM entries WHERE key GLOB 'load-*'", &[]);
    deleted.expect("a database");
    let filled = db.execute(
        "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT ?1) \
         INSERT INTO entries SELECT printf('load-%05d', i), i * 7919 % 10007 FROM n",
        &[entries.into()],
    );
    assert_eq!(filled.expect("a database") as i64, entries);
}
