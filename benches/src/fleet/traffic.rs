//! Clients that send requests at a steady pace, and note what became of each.
//!
//! A request is due at its time, whatever became of those before it, and its latency
//! is counted from there. So a server that stands still for a second is seen by all
//! requests that were due in it, and not by the one that waited for it.

use std::fmt;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::reply::Reply;

/// The longest that a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many do how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// Clients, each with a connection that it keeps and one request at a time.
    pub clients: usize,
    /// Requests in a second, of all of them together.
    pub rate: u32,
}

/// Whether a balancer may send a request again that may have been taken already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Nature {
    /// It may: GET.
    Repeatable,
    /// It may not: POST.
    Unrepeatable,
}

/// A request, and what answers to it are right.
#[derive(Debug, Clone)]
pub struct Asked {
    /// As it is sent.
    pub bytes: Vec<u8>,
    /// Whether it may be sent twice.
    pub nature: Nature,
    /// The bodies that are right, by the build that gives them.
    pub bodies: Vec<Vec<u8>>,
}

/// What a client has to complain of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It could not connect.
    NoConnection,
    /// The connection ended before the first byte of an answer.
    Closed,
    /// It ended within the answer.
    CutOff,
    /// No answer came in time.
    Late,
    /// What came was no HTTP/1.1.
    Malformed,
    /// The status was another one than 200.
    Status(u16),
    /// The body was none of those that are right.
    Body,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection => f.write_str("no connection"),
            Self::Closed => f.write_str("closed without an answer"),
            Self::CutOff => f.write_str("cut off within the answer"),
            Self::Late => write!(f, "no answer in {} s", PATIENCE.as_secs()),
            Self::Malformed => f.write_str("no HTTP"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Body => f.write_str("another body than the right one"),
        }
    }
}

/// One request that was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was due, since the clients began.
    pub due: Duration,
    /// From then to the end of its answer.
    pub latency: Duration,
    /// Whether it may be sent twice.
    pub nature: Nature,
    /// Which of the right bodies it had.
    pub outcome: Result<usize, Trouble>,
}

/// Clients at work.
pub struct Clients {
    began: Instant,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Sample>>>,
}

impl Clients {
    /// They begin: each with another of the requests, and then in turn.
    ///
    /// # Panics
    /// Where there is no request.
    pub fn start(addr: SocketAddr, requests: Vec<Asked>, pace: Pace) -> Self {
        assert!(!requests.is_empty(), "nothing to send");
        let began = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(requests);
        let clients = pace.clients.max(1);
        let interval = Duration::from_secs(1).mul_f64(clients as f64 / f64::from(pace.rate.max(1)));
        let threads = (0..clients)
            .map(|number| {
                let mut client = Client {
                    addr,
                    began,
                    connection: None,
                };
                let (stop, requests) = (stop.clone(), requests.clone());
                // Spread over the interval, or all would come at once.
                let first = interval.mul_f64(number as f64 / clients as f64);
                thread::spawn(move || {
                    let mut samples = Vec::new();
                    let mut due = first;
                    for asked in requests.iter().cycle().skip(number) {
                        thread::sleep(due.saturating_sub(began.elapsed()));
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        samples.push(client.send(asked, due));
                        due += interval;
                    }
                    samples
                })
            })
            .collect();
        Self {
            began,
            stop,
            threads,
        }
    }

    /// When they began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// They end, each with the answer that it waits for. What all of them noted.
    ///
    /// # Panics
    /// Where one of them did.
    pub fn stop(self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        threads
            .flat_map(|thread| thread.join().expect("a client does not panic"))
            .collect()
    }
}

struct Client {
    addr: SocketAddr,
    began: Instant,
    /// The one that it keeps.
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    fn send(&mut self, asked: &Asked, due: Duration) -> Sample {
        let outcome = self.exchange(asked);
        if outcome.is_err() {
            self.connection = None;
        }
        Sample {
            due,
            latency: self.began.elapsed().saturating_sub(due),
            nature: asked.nature,
            outcome,
        }
    }

    fn exchange(&mut self, asked: &Asked) -> Result<usize, Trouble> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(connect(self.addr)?),
        };
        // Where it is gone, so is the answer, which says how.
        let _ = connection.get_mut().write_all(&asked.bytes);
        let reply = Reply::read(connection)?;
        if !reply.keeps {
            self.connection = None;
        }
        if reply.status != 200 {
            return Err(Trouble::Status(reply.status));
        }
        let build = asked.bodies.iter().position(|body| *body == reply.body);
        build.ok_or(Trouble::Body)
    }
}

fn connect(addr: SocketAddr) -> Result<BufReader<TcpStream>, Trouble> {
    let open = || {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok::<_, std::io::Error>(BufReader::new(stream))
    };
    open().map_err(|_| Trouble::NoConnection)
}
