//! Bodies on their way in: within a size, within a time, and put together where
//! that pays.
//!
//! The fast door takes a body in one piece. The doors of `wasi:http` take it as it
//! arrives; a small one is still put together first, since a guest that finds all
//! of its request there never has to wait.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use crate::failure::Failure;

/// Whatever a body fails with.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// A body of at most so many bytes is put together before a guest sees it.
pub(crate) const SMALL: usize = 64 * 1024;

/// The body of a request, as a guest is given it.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// All of it is here.
    Whole(Bytes),
    /// It comes in pieces.
    Pieces(WasiBody),
}

impl RequestBody {
    /// As `wasi:http` takes it.
    pub(crate) fn into_wasi(self) -> WasiBody {
        match self {
            Self::Whole(bytes) => Full::new(bytes)
                .map_err(|never| match never {})
                .boxed_unsync(),
            Self::Pieces(body) => body,
        }
    }
}

/// What a client may do with a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Bytes in all.
    pub(crate) limit: usize,
    /// The longest pause.
    pub(crate) pause: Duration,
}

/// Why a body did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Broken {
    TooLarge = 1,
    TooSlow,
    Gone,
    Malformed,
}

impl Broken {
    fn failure(self, terms: Terms) -> Failure {
        match self {
            Self::TooLarge => Failure::BodyTooLarge { limit: terms.limit },
            Self::TooSlow => Failure::TooSlow { limit: terms.pause },
            Self::Gone => Failure::ClientGone,
            Self::Malformed => Failure::Malformed("its body cannot be decoded"),
        }
    }
}

/// What became of a body that a guest is reading, for the host to look at.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    broken: Arc<AtomicU8>,
    terms: Terms,
}

impl Intake {
    /// Why the client's part of the exchange failed, if it did.
    pub(crate) fn failure(&self) -> Option<Failure> {
        // Guest and host take turns; nothing else is ordered by this.
        let broken = match self.broken.load(Ordering::Relaxed) {
            0 => return None,
            1 => Broken::TooLarge,
            2 => Broken::TooSlow,
            3 => Broken::Gone,
            _ => Broken::Malformed,
        };
        Some(broken.failure(self.terms))
    }
}

/// The bytes of request bodies that the host holds, all together.
#[derive(Debug)]
pub(crate) struct Buffers {
    held: AtomicUsize,
    limit: usize,
}

impl Buffers {
    /// None yet, and room for `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            held: AtomicUsize::new(0),
            limit,
        }
    }
}

/// The part of it that one request has.
#[derive(Debug)]
pub(crate) struct Buffered {
    all: Arc<Buffers>,
    bytes: usize,
}

impl Buffered {
    /// None yet.
    pub(crate) fn new(all: &Arc<Buffers>) -> Self {
        Self {
            all: all.clone(),
            bytes: 0,
        }
    }

    /// Takes room for `bytes` in all.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), Failure> {
        let more = bytes.saturating_sub(self.bytes);
        let held = self.all.held.fetch_add(more, Ordering::Relaxed);
        if held.saturating_add(more) > self.all.limit {
            self.all.held.fetch_sub(more, Ordering::Relaxed);
            return Err(Failure::Overload);
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.all.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body that ends itself where the client breaks the terms, and comes in pieces that
/// are worth it: what has arrived by the time that somebody asks is one piece.
pub(crate) struct Incoming<B> {
    body: B,
    /// What came after the last piece and was no part of it.
    next: Option<Polled>,
    left: usize,
    terms: Terms,
    /// Set while the client pauses.
    timer: Option<Pin<Box<Sleep>>>,
    broken: Arc<AtomicU8>,
}

impl<B> Incoming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// Takes `body` on these terms, unless it is announced to be larger than they
    /// allow: that is told before the first byte of it is sent, where the client
    /// asks first.
    pub(crate) fn new(body: B, terms: Terms) -> Result<Self, Failure> {
        let announced = usize::try_from(body.size_hint().lower());
        if !announced.is_ok_and(|length| length <= terms.limit) {
            return Err(Broken::TooLarge.failure(terms));
        }
        Ok(Self {
            body,
            next: None,
            left: terms.limit,
            terms,
            timer: None,
            broken: Arc::default(),
        })
    }

    /// The bytes that the body has, where that is known and few.
    pub(crate) fn is_small(&self) -> bool {
        let exact = self.body.size_hint().exact();
        exact.is_some_and(|length| length <= SMALL as u64)
    }

    /// What becomes of it, once a guest has it.
    pub(crate) fn intake(&self) -> Intake {
        Intake {
            broken: self.broken.clone(),
            terms: self.terms,
        }
    }

    /// All of it; trailers are left out. `room` is told how large it has become, where
    /// that is more than a small body.
    pub(crate) async fn whole(
        mut self,
        mut room: impl FnMut(usize) -> Result<(), Failure>,
    ) -> Result<Bytes, Failure> {
        if self.body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let mut pieces = Pieces::new(self.terms.limit);
        while let Some(frame) = self.frame().await {
            let Ok(frame) = frame else {
                let why = self.intake().failure();
                return Err(why.unwrap_or(Failure::ClientGone));
            };
            if let Ok(data) = frame.into_data() {
                if pieces.len() + data.len() > SMALL {
                    room(pieces.len() + data.len())?;
                }
                // Cannot be too large: this body has counted already.
                let _ = pieces.push(data);
            }
        }
        Ok(pieces.join())
    }

    fn end(&mut self, broken: Broken) -> WasiError {
        self.broken.store(broken as u8, Ordering::Relaxed);
        match broken {
            Broken::TooLarge => WasiError::HttpRequestBodySize(None),
            Broken::TooSlow => WasiError::ConnectionReadTimeout,
            Broken::Gone => WasiError::ConnectionTerminated,
            Broken::Malformed => WasiError::HttpProtocolError,
        }
    }
}

/// What a body answers when it is ready.
type Polled = Option<Result<Frame<Bytes>, WasiError>>;

impl<B> Incoming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// The next frame as it comes.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(next);
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.timer = None;
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match self.left.checked_sub(bytes) {
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => Poll::Ready(Some(Err(self.end(Broken::TooLarge)))),
                }
            }
            Poll::Ready(Some(Err(error))) => {
                let broken = if is_gone(&*error.into()) {
                    Broken::Gone
                } else {
                    Broken::Malformed
                };
                Poll::Ready(Some(Err(self.end(broken))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    /// `first`, and what is there already besides.
    fn join(&mut self, first: Bytes, cx: &mut Context<'_>) -> Bytes {
        let mut joined = BytesMut::new();
        while first.len().max(joined.len()) < SMALL
            && let Poll::Ready(next) = self.poll_next(cx)
        {
            let more = match next {
                Some(Ok(frame)) => frame.into_data(),
                end => {
                    self.next = Some(end);
                    break;
                }
            };
            match more {
                Ok(more) => {
                    if joined.is_empty() {
                        joined.extend_from_slice(&first);
                    }
                    joined.extend_from_slice(&more);
                }
                Err(trailers) => {
                    self.next = Some(Some(Ok(trailers)));
                    break;
                }
            }
        }
        if joined.is_empty() {
            first
        } else {
            joined.freeze()
        }
    }
}

impl<B> Body for Incoming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Polled> {
        let this = &mut *self;
        match this.poll_next(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) => Frame::data(this.join(data, cx)),
                Err(trailers) => trailers,
            }))),
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => {
                let pause = this.terms.pause;
                let timer = this
                    .timer
                    .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + pause)));
                match timer.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(this.end(Broken::TooSlow)))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether the client went away, rather than that it talked nonsense.
fn is_gone(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
        {
            return true;
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::NotConnected
            )
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// The body is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The pieces so far. Most bodies come in one, which is then passed on as it
/// is, without a copy.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    limit: usize,
    first: Bytes,
    /// All of them, the first included, where there is more than one.
    joined: BytesMut,
}

impl Pieces {
    /// No pieces, and room for `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    /// Adds a piece, or says that it is one too many.
    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), TooLarge> {
        // The length never exceeds the limit, so this cannot wrap.
        if piece.len() > self.limit - self.len() {
            return Err(TooLarge);
        }
        if self.len() == 0 {
            self.first = piece;
        } else {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.first);
            }
            self.joined.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// The body.
    pub(crate) fn join(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(limit: usize, pieces: &[&'static str]) -> Result<Bytes, TooLarge> {
        let mut all = Pieces::new(limit);
        for piece in pieces {
            all.push(Bytes::from_static(piece.as_bytes()))?;
        }
        assert_eq!(all.len(), pieces.concat().len());
        Ok(all.join())
    }

    #[test]
    fn pieces_are_joined_in_order() {
        assert_eq!(join(9, &[]).as_deref(), Ok(&b""[..]));
        assert_eq!(
            join(9, &["", "a", "", "bc", "d"]).as_deref(),
            Ok(&b"abcd"[..])
        );
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        let piece = Bytes::from_static(b"whole");
        let mut all = Pieces::new(5);
        all.push(piece.clone()).expect("it fits");
        assert_eq!(all.join().as_ptr(), piece.as_ptr());
    }

    #[test]
    fn the_limit_is_exact() {
        assert!(join(4, &["ab", "cd"]).is_ok());
        assert_eq!(join(4, &["ab", "cde"]), Err(TooLarge));
        assert_eq!(join(0, &["a"]), Err(TooLarge));
    }
}
