//! How long a client may take: a connection that ends itself when its peer
//! stops.
//!
//! hyper has one timer for both the pause before a request and the headers of
//! it, so that either idle connections are cut early or slow headers are borne
//! long. Here the first byte of a request makes the difference. hyper's own
//! timer stays on behind this one, set to the sum of both times: it is what
//! makes hyper look at an idle connection at all.
//!
//! The life of a connection:
//! ```text
//!            first byte            service called
//! Idle ----------------------> Head -------------> Busy
//!  ^  keep_alive: end of file    | header_timeout:    |
//!  |                             v 408                |
//!  +--------------------------------------------------+ service returned
//! ```
//! While it is `Busy` the body has a timeout of its own and the guest has its
//! deadline. While a response is written the connection is `Idle` again, and
//! every byte that the client takes starts the time anew.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::{HalfClose, ServerConfig};
use crate::failure::Failure;

/// How long the end of what a client sends is kept from hyper while a request is under
/// way. It may be all that the client has to say, and not yet its farewell: such a client
/// gets its answer if that is quick. One that is really gone has its guest for so much
/// longer.
const FAREWELL: Duration = Duration::from_millis(100);

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The client's: to begin a request or to take a response.
    Idle,
    /// The client's: to finish the headers it began.
    Head,
    /// The host's.
    Busy,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// One request after the other.
    Http1,
    /// Many at a time, and frames that are about the connection alone. So bytes that
    /// arrive are not yet a request, and there is no answer to one that never came:
    /// a connection is idle from the end of its last request on, whatever it sends.
    Http2,
}

/// The turn of one connection, shared by its stream and its service. Both run on one
/// thread, so that the order of memory operations does not matter.
#[derive(Clone, Debug)]
pub(crate) struct Pace(Arc<Turns>);

#[derive(Debug)]
struct Turns {
    protocol: Protocol,
    /// Whether a head has begun to arrive, while nothing is under way.
    head: AtomicBool,
    /// Requests that are under way.
    busy: AtomicU32,
}

impl Pace {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self(Arc::new(Turns {
            protocol,
            head: AtomicBool::new(false),
            busy: AtomicU32::new(0),
        }))
    }

    fn turn(&self) -> Turn {
        if self.0.busy.load(Ordering::Relaxed) > 0 {
            Turn::Busy
        } else if self.0.head.load(Ordering::Relaxed) {
            Turn::Head
        } else {
            Turn::Idle
        }
    }

    /// Bytes have arrived.
    fn received(&self) {
        if self.0.protocol == Protocol::Http1 {
            self.0.head.store(true, Ordering::Relaxed);
        }
    }

    /// The host has the turn until what is returned is dropped.
    pub(crate) fn busy(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }
}

/// The host's turn.
pub(crate) struct Busy(Pace);

impl Drop for Busy {
    fn drop(&mut self) {
        let turns = &self.0.0;
        turns.head.store(false, Ordering::Relaxed);
        turns.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that ends itself when the client takes too long.
pub(crate) struct Paced {
    stream: TcpStream,
    pace: Pace,
    header_timeout: Duration,
    keep_alive: Duration,
    /// Whether hyper knows by itself what the end of what a client sends is not.
    half_close: HalfClose,
    /// The turn that `timer` was set for.
    timed: Turn,
    timer: Pin<Box<Sleep>>,
    /// Whether a part of a response is still waiting to be written.
    writing: bool,
    /// Set when the client has said that it sends no more: until when that is kept from
    /// hyper.
    farewell: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(crate) fn new(stream: TcpStream, pace: Pace, config: &ServerConfig) -> Self {
        Self {
            stream,
            header_timeout: config.header_timeout,
            keep_alive: config.keep_alive,
            half_close: match pace.0.protocol {
                Protocol::Http1 => config.half_close,
                // A connection that has ended has no streams any more.
                Protocol::Http2 => HalfClose::Leaves,
            },
            pace,
            timed: Turn::Idle,
            timer: Box::pin(sleep_until(Instant::now() + config.keep_alive)),
            writing: false,
            farewell: None,
        }
    }

    /// Ready when hyper is to know that the client sends no more.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pace.turn() != Turn::Busy || self.half_close == HalfClose::ReadsOn {
            return Poll::Ready(());
        }
        let farewell = self
            .farewell
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + FAREWELL)));
        farewell.as_mut().poll(cx)
    }

    /// Sets the timer for `turn`, from now.
    fn time(&mut self, turn: Turn) {
        let limit = match turn {
            Turn::Idle => self.keep_alive,
            Turn::Head => self.header_timeout,
            Turn::Busy => return,
        };
        self.timed = turn;
        self.timer.as_mut().reset(Instant::now() + limit);
    }

    /// Ready with the turn in which the client's time ran out.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let turn = self.pace.turn();
        if turn == Turn::Busy {
            self.timed = Turn::Busy;
            return Poll::Pending;
        }
        if turn != self.timed {
            self.time(turn);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(turn)
    }

    /// Tells the client why it is cut off, if it can be told at all: hyper
    /// answers no request whose headers it has not seen. Between two responses
    /// nothing of hyper's is under way that this could tear apart.
    fn refuse(&mut self) {
        if self.writing {
            return;
        }
        let limit = self.header_timeout;
        let failure = Failure::TooSlow { limit };
        let response = failure.response();
        let mut text = format!("HTTP/1.1 {}\r\n", response.status());
        for (name, value) in response.headers() {
            let value = value.to_str().unwrap_or_default();
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = response.body();
        text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        text.push_str(&String::from_utf8_lossy(body));
        // It fits into an empty socket buffer; where the buffer is not empty
        // the client is not reading anyway.
        let _ = self.stream.try_write(text.as_bytes());
        tracing::info!(outcome = failure.label(), "{failure}");
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_some() {
            ready!(this.poll_farewell(cx));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            let received = buffer.filled().len() > before;
            if result.is_ok() && !received && buffer.remaining() > 0 {
                ready!(this.poll_farewell(cx));
            }
            // Its time runs from the next read on, which comes at once unless the head is
            // complete, as it is of nearly every request.
            if received && this.pace.turn() == Turn::Idle {
                this.pace.received();
            }
            return Poll::Ready(result);
        }
        match ready!(this.poll_expired(cx)) {
            // An end of file is how a connection ends that nobody needs.
            Turn::Idle => Poll::Ready(Ok(())),
            Turn::Head | Turn::Busy => {
                this.refuse();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl Paced {
    /// What a write came to. A client that takes nothing runs out of time; one
    /// that takes something starts anew.
    fn wrote<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.writing = poll.is_pending();
        if poll.is_ready() {
            if self.timed == Turn::Idle {
                self.time(Turn::Idle);
            }
            return poll;
        }
        ready!(self.poll_expired(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(cx, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.wrote(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
