//! A body that is still to come.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;

use super::{BodyError, wipe};
use crate::{Arena, Buffer, Context, Request};

/// Bytes that are asked for at a time.
#[cfg(all(
    target_arch = "wasm32",
    not(any(feature = "arena-guest", feature = "js"))
))]
const PIECE: usize = 16 * 1024;

/// The body of a request, or of an origin's answer, as it comes.
///
/// It is read [piece by piece](Self::next), [as a whole](Self::collect) into the
/// arena, or not at all: [`passing_on`](crate::Response::passing_on) sends it to the
/// client without a copy.
///
/// For a handler's own tests it can be made of bytes:
///
/// ```
/// let mut body = lavandula::Incoming::from(b"three words here".to_vec());
/// # let text = core::pin::pin!(async move {
/// while let Some(piece) = body.next().await? {
///     assert_eq!(piece, b"three words here");
/// }
/// # Ok::<(), lavandula::BodyError>(())
/// # });
/// # let mut cx = core::task::Context::from_waker(core::task::Waker::noop());
/// # assert!(matches!(text.poll(&mut cx), core::task::Poll::Ready(Ok(()))));
/// ```
pub struct Incoming {
    source: Source,
    /// What was read last. It is used again for the next piece.
    piece: Vec<u8>,
}

enum Source {
    Memory(Vec<u8>),
    #[cfg(all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    ))]
    Door(super::door::Reader),
    End,
}

impl Incoming {
    /// The next piece, or `None` where the body has ended. How it is cut is up to
    /// whoever sends it.
    ///
    /// # Errors
    /// [`BodyError::CutOff`] where it is not whole. Nothing comes after that.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, BodyError> {
        match &mut self.source {
            Source::End => return Ok(None),
            Source::Memory(bytes) => {
                self.piece = core::mem::take(bytes);
                self.source = Source::End;
            }
            #[cfg(all(
                target_arch = "wasm32",
                not(any(feature = "arena-guest", feature = "js"))
            ))]
            Source::Door(reader) => {
                self.piece.clear();
                self.piece.reserve(PIECE);
                if let Err(end) = reader.read(&mut self.piece).await {
                    self.source = Source::End;
                    return end.map(|()| None);
                }
            }
        }
        Ok((!self.piece.is_empty()).then_some(&self.piece))
    }

    /// All of it, in the arena, whose budget bounds it.
    ///
    /// # Errors
    /// [`BodyError::Alloc`] where the arena has no room, and
    /// [`BodyError::CutOff`] where the body is not whole.
    pub async fn collect<'a>(&mut self, arena: &'a Arena) -> Result<&'a [u8], BodyError> {
        let mut whole = arena.buffer();
        self.collect_into(&mut whole).await?;
        Ok(whole.finish())
    }

    /// The request in the form that the handler asks for. A function and not the
    /// trait's, so that the form may be told by where the result goes.
    #[doc(hidden)]
    pub async fn receive<'a, R: Receive<'a>>(
        cx: &'a Context,
        request: Request<'a, Self>,
    ) -> Result<R, BodyError> {
        R::receive(cx, request).await
    }

    async fn collect_into(&mut self, whole: &mut Buffer<'_>) -> Result<(), BodyError> {
        while let Some(piece) = self.next().await? {
            whole.push(piece)?;
        }
        Ok(())
    }
}

#[cfg(all(
    target_arch = "wasm32",
    not(any(feature = "arena-guest", feature = "js"))
))]
impl Incoming {
    pub(super) fn of(reader: super::door::Reader) -> Self {
        Self {
            source: Source::Door(reader),
            piece: Vec::new(),
        }
    }

    /// What has not been read of it.
    pub(super) fn into_rest(mut self) -> Rest {
        match core::mem::replace(&mut self.source, Source::End) {
            Source::End => Rest::Memory(Vec::new()),
            Source::Memory(bytes) => Rest::Memory(bytes),
            Source::Door(reader) => Rest::Door(reader),
        }
    }
}

#[cfg(all(
    target_arch = "wasm32",
    not(any(feature = "arena-guest", feature = "js"))
))]
pub(super) enum Rest {
    Memory(Vec<u8>),
    Door(super::door::Reader),
}

impl Drop for Incoming {
    fn drop(&mut self) {
        wipe(&mut self.piece);
    }
}

impl From<Vec<u8>> for Incoming {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            source: Source::Memory(bytes),
            piece: Vec::new(),
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = matches!(self.source, Source::End);
        f.debug_struct("Incoming")
            .field("ended", &ended)
            .finish_non_exhaustive()
    }
}

/// The forms in which an asynchronous handler may have its request.
pub trait Receive<'a>: Sized {
    /// Makes it of one whose body is still to come.
    fn receive(
        cx: &'a Context,
        request: Request<'a, Incoming>,
    ) -> impl Future<Output = Result<Self, BodyError>>;
}

/// As it comes.
impl<'a> Receive<'a> for Request<'a, Incoming> {
    async fn receive(_: &'a Context, request: Self) -> Result<Self, BodyError> {
        Ok(request)
    }
}

/// With the whole body in the arena.
impl<'a> Receive<'a> for Request<'a> {
    async fn receive(cx: &'a Context, request: Request<'a, Incoming>) -> Result<Self, BodyError> {
        let (head, mut body) = request.into_parts();
        Ok(head.with_body(body.collect(cx.arena()).await?))
    }
}
