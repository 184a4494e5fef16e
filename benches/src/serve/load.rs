//! The load: connections that are kept, each with one request under way, over one
//! epoll in the thread that calls [`run`].
//!
//! A client takes its part of the machine, and one that takes much makes all
//! servers look alike. So it does as little as it can: requests are bytes that were
//! prepared, answers are read only as far as needed (every body is compared all the
//! same), and the clock is read once for each answer.
//!
//! ```text
//! opening ──► warming up ──► measuring ──► draining
//! ```
//!
//! *Opening*: at most [`AT_ONCE`] connections are without a first answer, so that no
//! server's backlog overflows. *Measuring*: answers are counted. *Draining*: nothing
//! is sent, and what is under way is waited for, since latencies are of all requests
//! that began while it was measured: one that never ends must not be missing.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::histogram::Histogram;
use super::process::Server;
use super::response::{Progress, Response};

/// Connections at a time that are without a first answer. Fewer than the shortest
/// backlog of the servers.
pub const AT_ONCE: usize = 64;

/// How long an answer is waited for where nothing else is to be done.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many errors are enough: what is measured then is no answers. Refusals are not
/// among them: how many of those there are is a figure of its own.
const MOST_ERRORS: u64 = 100;

/// The longest pause without a look at the clock.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Bytes that are read at a time.
const BUFFER: usize = 128 * 1024;

/// Events that are taken at a time.
const EVENTS: usize = 1024;

/// Connections that do the same.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// How many.
    pub connections: usize,
    /// The request, as it is sent.
    pub request: &'a [u8],
    /// The body that every answer must have.
    pub body: &'a [u8],
}

/// When it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this time.
    Elapsed(Duration),
    /// After so many answers.
    Answers(u64),
}

/// What to do to a server.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Who does what.
    pub groups: &'a [Group<'a>],
    /// How long before anything is counted, once every connection has had an
    /// answer.
    pub warm_up: Duration,
    /// When it is over.
    pub until: Until,
}

/// What a group found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Answers while it was measured.
    pub answers: u64,
    /// Answers at any time, those before and after included.
    pub all_answers: u64,
    /// Latencies of requests that began while it was measured.
    pub latencies: Histogram,
    /// What went wrong, at any time, and how often. Answers of 503 are among it.
    pub errors: BTreeMap<String, u64>,
    /// Answers of 503, at any time.
    pub refusals: u64,
}

/// What a server answers that has too much to do.
const REFUSED: &str = "refused with 503";

/// What a load found.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The groups, in their order.
    pub groups: Vec<Found>,
    /// How long it was measured.
    pub elapsed: Duration,
    /// The server's time on the processors meanwhile.
    pub server_cpu: Option<Duration>,
    /// The client's.
    pub client_cpu: Option<Duration>,
}

impl Measured {
    /// Answers of all groups.
    pub fn answers(&self) -> u64 {
        self.groups.iter().map(|found| found.answers).sum()
    }
}

/// Puts the load on a server.
///
/// # Errors
/// Where the system denies what is needed for it. What goes wrong with the server is
/// in [`Found::errors`].
pub fn run(server: &Server, load: &Load<'_>) -> io::Result<Measured> {
    let mut client = Client::new(server.addr(), load)?;
    let mut measured = Measured {
        groups: Vec::new(),
        elapsed: Duration::ZERO,
        server_cpu: None,
        client_cpu: None,
    };
    if client.open()? && client.keep_on(|_, elapsed| elapsed >= load.warm_up)? {
        let before = (server.cpu_time(), own_cpu_time());
        client.begin();
        client.keep_on(|answers, elapsed| match load.until {
            Until::Elapsed(time) => elapsed >= time,
            Until::Answers(wanted) => answers >= wanted,
        })?;
        measured.elapsed = client.end();
        let after = (server.cpu_time(), own_cpu_time());
        measured.server_cpu = difference(before.0, after.0);
        measured.client_cpu = difference(before.1, after.1);
        client.drain()?;
    }
    measured.groups = client.found;
    for found in &mut measured.groups {
        if found.refusals > 0 {
            found.errors.insert(REFUSED.to_owned(), found.refusals);
        }
    }
    Ok(measured)
}

fn difference(before: Option<Duration>, after: Option<Duration>) -> Option<Duration> {
    Some(after?.saturating_sub(before?))
}

/// Time of this thread on a processor.
fn own_cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(ns))
}

/// When a request of a connection began, and whether it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Answers are only looked at.
    Before,
    /// They count since then.
    Measuring(Instant),
    /// No requests are sent any more.
    Draining(Instant),
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// With what is expected.
    AsExpected,
    /// With a 503.
    Refused,
}

struct Connection {
    stream: TcpStream,
    group: usize,
    response: Response,
    began: Instant,
    /// Bytes of the request that were sent.
    sent: usize,
    /// It waits for an answer.
    is_waiting: bool,
    /// It has had one.
    is_open: bool,
}

struct Client<'a> {
    addr: SocketAddr,
    load: &'a Load<'a>,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    /// By their tokens. `None` for those that were lost.
    connections: Vec<Option<Connection>>,
    /// Groups of the connections that are to be opened yet.
    unopened: Vec<usize>,
    /// Connections without a first answer.
    opening: usize,
    /// Connections that wait for an answer.
    waiting: usize,
    phase: Phase,
    found: Vec<Found>,
}

impl<'a> Client<'a> {
    fn new(addr: SocketAddr, load: &'a Load<'a>) -> io::Result<Self> {
        let groups = load.groups.iter().enumerate();
        let mut unopened: Vec<_> = groups
            .flat_map(|(index, group)| std::iter::repeat_n(index, group.connections))
            .collect();
        // The first group is opened first.
        unopened.reverse();
        Ok(Self {
            addr,
            load,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; BUFFER],
            connections: Vec::with_capacity(unopened.len()),
            unopened,
            opening: 0,
            waiting: 0,
            phase: Phase::Before,
            found: vec![Found::default(); load.groups.len()],
        })
    }

    /// Opens all connections. False where that cannot be done, and the reason is
    /// among the errors.
    fn open(&mut self) -> io::Result<bool> {
        let mut progress = (Instant::now(), usize::MAX);
        loop {
            while self.opening < AT_ONCE
                && let Some(group) = self.unopened.pop()
            {
                self.connections.push(None);
                self.connect(self.connections.len() - 1, group)?;
            }
            let left = self.unopened.len() + self.opening;
            if left == 0 {
                return Ok(!self.is_hopeless());
            }
            if left != progress.1 {
                progress = (Instant::now(), left);
            }
            if self.is_hopeless() {
                return Ok(false);
            }
            if progress.0.elapsed() > PATIENCE {
                let all = self.connections.len() + self.unopened.len();
                let text = format!("no first answer in {PATIENCE:?} on one of {all} connections");
                self.error(0, text, left as u64);
                return Ok(false);
            }
            self.turn()?;
        }
    }

    /// Goes on until that holds for the answers that were counted and the time. False
    /// where it is hopeless.
    fn keep_on(&mut self, is_over: impl Fn(u64, Duration) -> bool) -> io::Result<bool> {
        let began = Instant::now();
        let mut progress = (began, 0);
        loop {
            let answers = self.found.iter().map(|found| found.answers).sum();
            let all_answers = self.found.iter().map(|found| found.all_answers).sum();
            if all_answers != progress.1 {
                progress = (Instant::now(), all_answers);
            }
            if self.is_hopeless() {
                return Ok(false);
            }
            // Else who waits for so many answers would wait for ever.
            if progress.0.elapsed() > PATIENCE {
                self.error(0, format!("not one answer in {PATIENCE:?}"), 1);
                return Ok(false);
            }
            if is_over(answers, began.elapsed()) {
                return Ok(true);
            }
            self.turn()?;
        }
    }

    fn begin(&mut self) {
        self.phase = Phase::Measuring(Instant::now());
    }

    /// From here on nothing is sent. For how long it was measured.
    fn end(&mut self) -> Duration {
        let now = Instant::now();
        match self.phase {
            Phase::Measuring(since) => {
                self.phase = Phase::Draining(since);
                now - since
            }
            _ => Duration::ZERO,
        }
    }

    /// Waits for what is under way.
    fn drain(&mut self) -> io::Result<()> {
        let began = Instant::now();
        while self.waiting > 0 && !self.is_hopeless() {
            if began.elapsed() > PATIENCE {
                let waiting = self.connections.iter().flatten();
                let groups: Vec<_> = waiting
                    .filter(|connection| connection.is_waiting)
                    .map(|connection| connection.group)
                    .collect();
                for group in groups {
                    self.error(group, format!("no answer in {PATIENCE:?}"), 1);
                }
                return Ok(());
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Nothing that is found from here on would say anything.
    fn is_hopeless(&self) -> bool {
        self.has_most_errors()
            || self.unopened.is_empty() && self.connections.iter().all(Option::is_none)
    }

    fn has_most_errors(&self) -> bool {
        let errors = self.found.iter().flat_map(|found| found.errors.values());
        errors.sum::<u64>() >= MOST_ERRORS
    }

    fn error(&mut self, group: usize, what: String, times: u64) {
        *self.found[group].errors.entry(what).or_default() += times;
    }

    /// Opens a connection in this place, and sends its first request. One that is
    /// refused is an error that was noted, and not the system's.
    fn connect(&mut self, at: usize, group: usize) -> io::Result<()> {
        let stream = match std::net::TcpStream::connect_timeout(&self.addr, PATIENCE) {
            Ok(stream) => stream,
            Err(error) => {
                self.error(group, format!("no connection: {error}"), 1);
                return Ok(());
            }
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let interests = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(at), interests)?;
        self.connections[at] = Some(Connection {
            stream,
            group,
            response: Response::default(),
            began: Instant::now(),
            sent: 0,
            is_waiting: true,
            is_open: false,
        });
        self.opening += 1;
        self.waiting += 1;
        // The socket is writable from the start, so that its first event sends the
        // request.
        Ok(())
    }

    /// Waits for events, and does what they ask for.
    fn turn(&mut self) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(LONGEST_WAIT)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        // Taken out, since what follows needs all of the rest.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            self.attend(event.token().0)?;
        }
        self.events = events;
        Ok(())
    }

    /// Does what one connection is ready for.
    fn attend(&mut self, at: usize) -> io::Result<()> {
        let Some(connection) = &mut self.connections[at] else {
            return Ok(());
        };
        let group = connection.group;
        let Group { request, body, .. } = self.load.groups[group];
        match connection.advance(request, body, &mut self.buffer) {
            Ok(Progress::More) => Ok(()),
            Ok(Progress::Whole) => {
                self.answered(at, Answered::AsExpected);
                Ok(())
            }
            Ok(Progress::Refused) => {
                self.answered(at, Answered::Refused);
                Ok(())
            }
            Err(what) => self.lose(at, what),
        }
    }

    /// Notes an answer, and sends the next request.
    fn answered(&mut self, at: usize, answered: Answered) {
        let Some(connection) = &mut self.connections[at] else {
            return;
        };
        let now = Instant::now();
        if !connection.is_open {
            connection.is_open = true;
            self.opening -= 1;
        }
        let found = &mut self.found[connection.group];
        match answered {
            Answered::AsExpected => {
                found.all_answers += 1;
                if let Phase::Measuring(since) | Phase::Draining(since) = self.phase
                    && connection.began >= since
                {
                    found.latencies.add(now - connection.began);
                }
                if let Phase::Measuring(_) = self.phase {
                    found.answers += 1;
                }
            }
            Answered::Refused => found.refusals += 1,
        }
        if let Phase::Draining(_) = self.phase {
            connection.is_waiting = false;
            self.waiting -= 1;
            return;
        }
        connection.began = now;
        connection.sent = 0;
        // What cannot be sent now is sent when an event says so; and an error shows
        // again when the connection is read.
        let _ = connection.send(self.load.groups[connection.group].request);
    }

    /// Notes what went wrong with a connection, and opens another in its place.
    fn lose(&mut self, at: usize, what: String) -> io::Result<()> {
        let Some(connection) = self.connections[at].take() else {
            return Ok(());
        };
        let group = connection.group;
        self.opening -= usize::from(!connection.is_open);
        self.waiting -= usize::from(connection.is_waiting);
        drop(connection);
        self.error(group, what, 1);
        match self.phase {
            Phase::Draining(_) => Ok(()),
            _ if self.has_most_errors() => Ok(()),
            _ => self.connect(at, group),
        }
    }
}

impl Connection {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends and reads as far as it goes. What went wrong, in words.
    fn advance(
        &mut self,
        request: &[u8],
        body: &[u8],
        buffer: &mut [u8],
    ) -> Result<Progress, String> {
        if self.is_waiting {
            self.send(request)
                .map_err(|error| format!("cannot send: {error}"))?;
        }
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::More);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("cannot read: {error}")),
            };
            let fed = self.response.feed(&buffer[..read], body);
            match fed.map_err(|wrong| wrong.to_string())? {
                Progress::Whole | Progress::Refused
                    if !self.is_waiting || self.sent < request.len() =>
                {
                    return Err("an answer to no request, or to half of one".to_owned());
                }
                whole @ (Progress::Whole | Progress::Refused) => return Ok(whole),
                // A buffer that was not filled has taken all that there was: another
                // event tells of the next, and no call is needed to find out.
                Progress::More if read < buffer.len() => return Ok(Progress::More),
                Progress::More => {}
            }
        }
    }
}
