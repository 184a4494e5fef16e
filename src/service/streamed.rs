//! A response whose body is written while it is sent.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;

use super::{BodyError, Incoming, LocalFuture};
use crate::{IntoResponse, Response};

/// A response whose body may be written after its head was sent.
///
/// What any other handler returns can be turned into one, by `into` or by being
/// returned.
///
/// ```
/// use lavandula::{Context, Incoming, Request, Response, Streamed};
///
/// /// The request's body, every piece as it comes.
/// async fn echo<'a>(_: &'a Context, request: Request<'a, Incoming>) -> Streamed<'a> {
///     let (_, mut body) = request.into_parts();
///     Response::ok("", "application/octet-stream").streamed(async move |mut out| {
///         while let Some(piece) = body.next().await? {
///             out.write(piece).await?;
///         }
///         Ok(())
///     })
/// }
///
/// lavandula::export!(async echo);
/// # fn main() {}
/// ```
pub struct Streamed<'a> {
    head: Response<'a>,
    rest: Rest<'a>,
}

/// Where the body is.
pub(crate) enum Rest<'a> {
    InHead,
    Written(Box<Write<'a>>),
    PassedOn(Incoming),
}

pub(crate) type Write<'a> = dyn FnOnce(Writer) -> LocalFuture<'a, Result<(), BodyError>> + 'a;

impl<'a> Response<'a> {
    /// The same response, whose body `write` writes when the head was sent.
    ///
    /// Where it returns an error the client is told that the body is cut off. The
    /// invocation, and its arena, last until it has returned.
    pub fn streamed<F>(self, write: impl FnOnce(Writer) -> F + 'a) -> Streamed<'a>
    where
        F: Future<Output = Result<(), BodyError>> + 'a,
    {
        Streamed {
            head: self,
            rest: Rest::Written(Box::new(|writer| Box::pin(write(writer)))),
        }
    }

    /// The same response with a body that comes from elsewhere. What was read of it
    /// already is not sent.
    pub fn passing_on(self, body: Incoming) -> Streamed<'a> {
        Streamed {
            head: self,
            rest: Rest::PassedOn(body),
        }
    }
}

impl<'a> Streamed<'a> {
    #[cfg(all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    ))]
    pub(crate) fn into_parts(self) -> (Response<'a>, Rest<'a>) {
        (self.head, self.rest)
    }

    /// The response with its whole body, for a handler's own tests.
    ///
    /// # Errors
    /// What `write` returned, or why a body that is passed on is not whole.
    pub async fn collect(self) -> Result<Response<'a>, BodyError> {
        let written = Rc::new(RefCell::new(Vec::new()));
        match self.rest {
            Rest::InHead => return Ok(self.head),
            Rest::Written(write) => {
                let writer = Writer {
                    sink: Sink::Memory(Rc::clone(&written)),
                };
                write(writer).await?;
            }
            Rest::PassedOn(mut body) => {
                while let Some(piece) = body.next().await? {
                    written.borrow_mut().extend_from_slice(piece);
                }
            }
        }
        let body = written.take();
        Ok(self.head.with_body(body))
    }
}

impl<'a> From<Response<'a>> for Streamed<'a> {
    fn from(head: Response<'a>) -> Self {
        Self {
            head,
            rest: Rest::InHead,
        }
    }
}

impl fmt::Debug for Streamed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streamed = !matches!(self.rest, Rest::InHead);
        f.debug_struct("Streamed")
            .field("head", &self.head)
            .field("streamed", &streamed)
            .finish()
    }
}

/// What an asynchronous handler may return.
pub trait IntoStreamed<'a> {
    /// The response that it stands for.
    fn into_streamed(self) -> Streamed<'a>;
}

impl<'a, R: IntoResponse<'a>> IntoStreamed<'a> for R {
    fn into_streamed(self) -> Streamed<'a> {
        self.into_response().into()
    }
}

impl<'a> IntoStreamed<'a> for Streamed<'a> {
    fn into_streamed(self) -> Streamed<'a> {
        self
    }
}

impl<'a, E: IntoResponse<'a>> IntoStreamed<'a> for Result<Streamed<'a>, E> {
    fn into_streamed(self) -> Streamed<'a> {
        self.unwrap_or_else(|error| error.into_response().into())
    }
}

/// The client's end of a body.
pub struct Writer {
    sink: Sink,
}

enum Sink {
    Memory(Rc<RefCell<Vec<u8>>>),
    #[cfg(all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    ))]
    Door {
        stream: wit_bindgen::rt::async_support::StreamWriter<u8>,
        /// Used again for each piece. The host reads from it while we wait, and
        /// nothing that could end sooner may lie there.
        piece: Vec<u8>,
    },
}

impl Writer {
    #[cfg(all(
        target_arch = "wasm32",
        not(any(feature = "arena-guest", feature = "js"))
    ))]
    pub(super) fn to(stream: wit_bindgen::rt::async_support::StreamWriter<u8>) -> Self {
        let piece = Vec::new();
        Self {
            sink: Sink::Door { stream, piece },
        }
    }

    /// Sends `bytes`, and returns when they were taken.
    ///
    /// # Errors
    /// [`BodyError::Gone`] where nobody takes them any more.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        match &mut self.sink {
            Sink::Memory(written) => written.borrow_mut().extend_from_slice(bytes),
            #[cfg(all(
                target_arch = "wasm32",
                not(any(feature = "arena-guest", feature = "js"))
            ))]
            Sink::Door { stream, piece } => {
                if bytes.is_empty() {
                    return Ok(());
                }
                if piece.capacity() < bytes.len() {
                    // A larger one would leave behind what this one has had.
                    super::wipe(piece);
                }
                piece.clear();
                piece.extend_from_slice(bytes);
                *piece = stream.write_all(core::mem::take(piece)).await;
                if !piece.is_empty() {
                    return Err(BodyError::Gone);
                }
            }
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        match &mut self.sink {
            // Who has made it reads it.
            Sink::Memory(_) => {}
            #[cfg(all(
                target_arch = "wasm32",
                not(any(feature = "arena-guest", feature = "js"))
            ))]
            Sink::Door { piece, .. } => super::wipe(piece),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}
