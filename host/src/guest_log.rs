//! What a guest writes to its standard output and error: lines in our log, with
//! the trace of the request that it wrote them for.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tracing::field::display;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::trace;

/// A line longer than this is logged in pieces, so that a guest that never ends
/// a line does not make the host collect it.
const MAX_LINE: usize = 4 * 1024;

/// What one request may log on each stream. A guest that writes without end
/// fills no disk.
const MAX_BYTES: usize = 64 * 1024;

/// Bytes accepted in one write.
const PERMIT: usize = 64 * 1024;

/// Where the output of a guest goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuestOutput {
    /// To `tracing`, line by line, standard output as information and standard
    /// error as a warning.
    Log,
    /// Nowhere: the check repeats requests by the thousand.
    Discard,
}

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Stdout,
    Stderr,
}

/// A stream whose lines are log events. All clones are one stream.
#[derive(Clone)]
pub(crate) struct GuestLog(Arc<Mutex<Lines>>);

impl GuestLog {
    /// An empty stream.
    pub(crate) fn new(channel: Channel) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            emit: match channel {
                Channel::Stdout => |line| {
                    let context = trace::current();
                    let trace_id = context.as_ref().map(display);
                    tracing::info!(target: "lavandula::guest", trace_id, "{line}");
                },
                Channel::Stderr => |line| {
                    let context = trace::current();
                    let trace_id = context.as_ref().map(display);
                    tracing::warn!(target: "lavandula::guest", trace_id, "{line}");
                },
            },
            line: Vec::new(),
            left: MAX_BYTES,
        })))
    }

    fn push(&self, bytes: &[u8]) {
        // The lines are whole after every push, so a poisoned lock is harmless.
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(bytes);
    }
}

/// The line that is being written, and how much more will be logged.
struct Lines {
    emit: fn(&str),
    line: Vec<u8>,
    left: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        let (kept, cut) = bytes.split_at(bytes.len().min(self.left));
        self.left -= kept.len();
        for piece in kept.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(MAX_LINE) {
                if self.line.len() + part.len() > MAX_LINE {
                    self.end_line();
                }
                self.line.extend_from_slice(part);
            }
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
        if !cut.is_empty() {
            self.end_line();
            (self.emit)("(the guest wrote more than a request may log; the rest is left out)");
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim_end();
        if !line.is_empty() {
            (self.emit)(line);
        }
        self.line.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl Pollable for GuestLog {
    // What `async_trait` makes of `async fn ready(&mut self) {}`: writing never
    // has to wait.
    fn ready<'a: 'b, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn logged(writes: &[&[u8]]) -> Vec<String> {
        LOGGED.take();
        let mut lines = Lines {
            emit: |line| LOGGED.with_borrow_mut(|logged| logged.push(line.to_owned())),
            line: Vec::new(),
            left: MAX_BYTES,
        };
        for bytes in writes {
            lines.push(bytes);
        }
        drop(lines);
        LOGGED.take()
    }

    #[test]
    fn lines_are_put_together_from_writes() {
        assert_eq!(
            logged(&[b"on", b"e\ntwo\n", b"\nthree"]),
            ["one", "two", "three"]
        );
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let pieces = logged(&[&[b'x'; MAX_LINE * 2 + 1]]);
        let lengths: Vec<_> = pieces.iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, 1]);
    }

    #[test]
    fn a_flood_is_cut_off_once() {
        let line = [b'x'; 1023];
        let mut flood = Vec::new();
        for _ in 0..100 {
            flood.extend_from_slice(&line);
            flood.push(b'\n');
        }
        let lines = logged(&[&flood, &flood]);
        assert_eq!(lines.len(), MAX_BYTES / 1024 + 1);
    }
}
