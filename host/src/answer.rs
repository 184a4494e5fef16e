//! The body of an answer, as a server sends it.

use std::fmt;
use std::future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Method, StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use crate::account::Account;
use crate::body::Intake;
use crate::flow::{Flow, declared_length};
use crate::host::{Host, Rest};
use crate::run::{Awaited, Run};

/// The body of a response of [`Host::respond`].
///
/// Where it comes from a guest that is still at work, taking its frames is what lets
/// the guest go on, and dropping it ends the guest.
pub struct ResponseBody(Kind);

enum Kind {
    Whole(Bytes),
    Flowing(Box<Flowing>),
    Over,
}

/// A body that was cut off: its guest failed after the head was told. There is no
/// other way left to tell a client than to end the connection, which is what a server
/// does that is given this. The log has the reason.
#[derive(Debug, Error)]
#[error("the body was cut off: {label}")]
pub struct Aborted {
    label: &'static str,
}

impl Aborted {
    /// The label of the failure, as in [`Failure::label`](crate::Failure::label).
    pub fn label(&self) -> &'static str {
        self.label
    }
}

impl ResponseBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self(Kind::Over)
        } else {
            Self(Kind::Whole(bytes))
        }
    }

    pub(crate) fn flowing(flowing: Flowing) -> Self {
        Self(Kind::Flowing(Box::new(flowing)))
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Kind::Flowing(flowing) = std::mem::replace(&mut self.0, Kind::Over) {
            flowing.leave();
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Whole(_) => "ResponseBody(whole)",
            Kind::Flowing(_) => "ResponseBody(flowing)",
            Kind::Over => "ResponseBody(over)",
        })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match &mut self.0 {
            Kind::Over => Poll::Ready(None),
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Over;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Flowing(flowing) => {
                let frame = std::task::ready!(flowing.poll_frame(cx));
                if matches!(frame, None | Some(Err(_)))
                    && let Kind::Flowing(flowing) = std::mem::replace(&mut self.0, Kind::Over)
                    && frame.is_none()
                {
                    flowing.finish_later();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Flowing(_) => SizeHint::default(),
            Kind::Over => SizeHint::with_exact(0),
        }
    }
}

/// A response whose guest is at work, with all that belongs to it.
pub(crate) struct Flowing {
    host: Host,
    flow: Box<Flow<Run, Rest>>,
    intake: Option<Intake>,
    account: Account,
    status: StatusCode,
    sent: usize,
    /// How much there is to be sent, where that is known: whoever sends it does not
    /// ask for more then.
    length: Option<usize>,
    awaited: Awaited,
}

impl Flowing {
    pub(crate) fn new(
        host: Host,
        flow: Box<Flow<Run, Rest>>,
        intake: Option<Intake>,
        account: Account,
        status: StatusCode,
    ) -> Self {
        Self {
            host,
            flow,
            intake,
            account,
            status,
            sent: 0,
            length: None,
            awaited: Awaited::default(),
        }
    }

    /// The same, which says so when nobody waits for the rest any more.
    pub(crate) fn awaited(mut self, awaited: Awaited) -> Self {
        self.awaited = awaited;
        self
    }

    /// The same as the answer to a request of `method` with this head, which may say
    /// how much there is to come.
    pub(crate) fn of_length(mut self, method: &Method, head: &response::Parts) -> Self {
        let bodiless = *method == Method::HEAD
            || matches!(
                head.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        let declared = || declared_length(&head.headers)?.parse().ok();
        self.length = if bodiless { Some(0) } else { declared() };
        self
    }

    /// Whether all of it was sent, as far as whoever sends it can tell.
    fn is_sent(&self) -> bool {
        self.length.is_some_and(|length| self.sent >= length)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let polled = self.flow.poll_frame(cx);
        let broken = self.intake.as_ref().and_then(Intake::failure);
        let frame = match (broken, polled) {
            (Some(failure), _) => Some(Err(failure)),
            (None, Poll::Ready(frame)) => frame,
            (None, Poll::Pending) => return Poll::Pending,
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.sent += frame.data_ref().map_or(0, Bytes::len);
                Some(Ok(frame))
            }
            Some(Err(failure)) => {
                self.settle();
                self.account.cut_off(self.status, self.sent, &failure);
                Some(Err(Aborted {
                    label: failure.label(),
                }))
            }
            None => None,
        })
    }

    /// Nobody asks for more of it.
    fn leave(mut self) {
        if self.is_sent() {
            self.finish_later();
            return;
        }
        // If there will be no more, it is not the client that has left.
        let mut context = Context::from_waker(Waker::noop());
        if self.flow.poll_end(&mut context).is_ready()
            && let Some(failure) = self.flow.take_failure()
        {
            self.settle();
            self.account.cut_off(self.status, self.sent, &failure);
        }
    }

    fn settle(&mut self) {
        if let Some(rest) = self.flow.take_rest() {
            self.host.settle_later(rest, &mut self.account);
        }
    }

    /// Lets the guest come to its end, whose response is complete.
    pub(crate) fn finish_later(mut self) {
        self.awaited.over();
        if self.flow.run().is_none() {
            self.finish();
            return;
        }
        tokio::spawn(async move {
            future::poll_fn(|cx| self.flow.poll_end(cx)).await;
            self.finish();
        });
    }

    fn finish(&mut self) {
        self.settle();
        if let Some(failure) = self.flow.take_failure() {
            // The client has its answer, and need not know.
            tracing::warn!(
                outcome = failure.label(),
                "after its response was complete: {failure}"
            );
        }
        self.account.answered(self.status, self.sent);
    }
}
