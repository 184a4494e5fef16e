//! A response on its way out of a guest, driven by whoever wants to have it.
//!
//! A guest and the body that it writes are two sides of one channel: it can only
//! write as much as is taken, and would wait for ever otherwise. Here both are
//! polled in turn, in one task and without another thread, and out comes the
//! response as early as it can be told:
//!
//! - **whole**, where the guest writes all of it without having to wait for
//!   anything, which is what most do. It is sent with its length, in one write, and
//!   what goes wrong before that is still told by an honest status.
//! - **in pieces**, as soon as the guest has set the head and waits, or the body
//!   becomes large. What goes wrong from there on can only cut the body off.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, response};
use http_body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::task::coop::unconstrained;
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use crate::body::{Pieces, SMALL};
use crate::config::Limits;
use crate::failure::{BadResponse, Failure};
use crate::response::{accept, accept_head};

/// What a call into a guest came to: a response, or none where the guest has sent
/// it by other means.
pub(crate) type Said = Result<Option<Response<Bytes>>, Failure>;

/// Where the doors of `wasi:http` leave the response.
pub(crate) type Reply = oneshot::Sender<Result<Response<WasiBody>, BadResponse>>;

/// How long to wait for a response before it is told in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as it takes: it is wanted whole.
    Endless,
    /// Until the guest waits, which it does not yet, whatever it looks like: it will
    /// have another turn before that.
    WhileItWorks,
    /// Until the guest waits.
    UntilItWaits,
}

/// A response, as far as it can be told.
#[derive(Debug)]
pub(crate) enum Told {
    /// All of it.
    Whole(Response<Bytes>),
    /// Its head. The flow has the body.
    Head(response::Parts),
}

/// A guest at work, and its response. `R` is the call, which yields what was said
/// and what is left of it all.
pub(crate) struct Flow<R, T> {
    run: Option<R>,
    said: Option<Said>,
    rest: Option<T>,
    reply: Option<oneshot::Receiver<Result<Response<WasiBody>, BadResponse>>>,
    head: Option<response::Parts>,
    body: Option<WasiBody>,
    /// What was taken and not yet passed on, while it may still become a whole.
    pieces: Pieces,
    /// Likewise, once it is told in pieces.
    waiting: VecDeque<Frame<Bytes>>,
    taken: usize,
    /// Whether the end of the body was seen.
    over: bool,
    /// What is wrong with the body, where it may yet be seen that it is the guest.
    bad: Option<BadResponse>,
    method: Method,
    limits: Limits,
}

/// A call that may be driven elsewhere than where it is polled.
pub(crate) trait Elsewhere {
    /// Whether it is. Then the guest may be gone before it is seen that it is, and
    /// with it its end of the body, which looks like the end of the body.
    fn is_elsewhere(&self) -> bool;
}

impl<O> Elsewhere for Pin<Box<dyn Future<Output = O> + Send + '_>> {
    fn is_elsewhere(&self) -> bool {
        false
    }
}

impl<F> Elsewhere for Pin<&mut F> {
    fn is_elsewhere(&self) -> bool {
        false
    }
}

/// Whether anything has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Some,
    None,
}

impl<R, T> Flow<R, T> {
    /// The same with another way to hear of the call, which `run` is, and the call
    /// itself, which has to be driven by other means from here on. With what is left of
    /// it, where it is over.
    pub(crate) fn hand_on<S, U>(self, run: Option<S>, rest: Option<U>) -> (Option<R>, Flow<S, U>) {
        let flow = Flow {
            run,
            said: self.said,
            rest,
            reply: self.reply,
            head: self.head,
            body: self.body,
            pieces: self.pieces,
            waiting: self.waiting,
            taken: self.taken,
            over: self.over,
            bad: self.bad,
            method: self.method,
            limits: self.limits,
        };
        (self.run, flow)
    }
}

impl<R, T> Flow<R, T>
where
    R: Future<Output = (Said, T)> + Elsewhere + Unpin,
{
    /// Of the call `run`, which answers by what it yields or through `reply`.
    pub(crate) fn new(
        run: R,
        reply: Option<oneshot::Receiver<Result<Response<WasiBody>, BadResponse>>>,
        method: Method,
        limits: &Limits,
    ) -> Self {
        Self {
            run: Some(run),
            said: None,
            rest: None,
            reply,
            head: None,
            body: None,
            pieces: Pieces::new(limits.max_response_body),
            waiting: VecDeque::new(),
            taken: 0,
            over: false,
            bad: None,
            method,
            limits: *limits,
        }
    }

    /// The call that is under way, if it is.
    pub(crate) fn run(&mut self) -> Option<&mut R> {
        self.run.as_mut()
    }

    /// What is left of the call, once it is over.
    pub(crate) fn take_rest(&mut self) -> Option<T> {
        self.rest.take()
    }

    /// The response, as soon as it can be told.
    pub(crate) fn poll_told(
        &mut self,
        cx: &mut Context<'_>,
        patience: Patience,
    ) -> Poll<Result<Told, Failure>> {
        loop {
            let mut progress = self.poll_run(cx);
            match self.said.take() {
                Some(Err(failure)) => return Poll::Ready(Err(failure)),
                Some(Ok(Some(response))) => return Poll::Ready(Ok(Told::Whole(response))),
                Some(Ok(None)) | None => {}
            }
            match self.poll_head(cx) {
                Ok(Progress::Some) => progress = Progress::Some,
                Ok(Progress::None) => {}
                Err(bad) => return Poll::Ready(Err(bad.into())),
            }
            while let Poll::Ready(frame) = self.poll_body(cx) {
                progress = Progress::Some;
                match frame {
                    None => self.over = true,
                    Some(Err(bad)) => self.bad = Some(bad),
                    Some(Ok(frame)) => match frame.into_data() {
                        // Counted already.
                        Ok(data) => {
                            let _ = self.pieces.push(data);
                        }
                        // Only a response in pieces has trailers.
                        Err(trailers) if patience != Patience::Endless => {
                            self.waiting.push_back(trailers);
                            return Poll::Ready(self.in_pieces());
                        }
                        Err(_) => {}
                    },
                }
                if patience != Patience::Endless && self.pieces.len() > SMALL {
                    return Poll::Ready(self.in_pieces());
                }
            }
            if self.is_over() {
                return Poll::Ready(self.whole().map(Told::Whole));
            }
            if let Some(bad) = self.take_bad() {
                return Poll::Ready(Err(bad.into()));
            }
            if progress == Progress::Some {
                continue;
            }
            if self.run.is_none() {
                // The guest is done and its response is not.
                let bad = match self.head {
                    Some(_) => BadResponse::Unfinished,
                    None => BadResponse::Missing,
                };
                return Poll::Ready(Err(bad.into()));
            }
            if self.head.is_some() && patience == Patience::UntilItWaits {
                return Poll::Ready(self.in_pieces());
            }
            return Poll::Pending;
        }
    }

    /// The next piece of a body whose head was told.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            let progress = self.poll_run(cx);
            if let Some(Err(failure)) = self.said.take() {
                self.body = None;
                return Poll::Ready(Some(Err(failure)));
            }
            match self.poll_body(cx) {
                Poll::Ready(Some(Ok(frame))) => return Poll::Ready(Some(Ok(frame))),
                Poll::Ready(Some(Err(bad))) => self.bad = Some(bad),
                Poll::Ready(None) => self.over = true,
                Poll::Pending if self.is_over() => return Poll::Ready(None),
                Poll::Pending if let Some(bad) = self.take_bad() => {
                    return Poll::Ready(Some(Err(bad.into())));
                }
                Poll::Pending if progress == Progress::Some => {}
                Poll::Pending if self.run.is_none() && self.body.is_some() => {
                    self.body = None;
                    return Poll::Ready(Some(Err(BadResponse::Unfinished.into())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The call to its end, after all of the response is there: what a guest does
    /// then is its own affair, and has the same deadline.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_run(cx);
        if self.run.is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Why the call failed, if it failed after the response was complete.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.said.take().and_then(Result::err)
    }

    /// What is wrong with the body, as soon as it is certain that it is not the guest:
    /// one that failed has nothing to say of its response.
    fn take_bad(&mut self) -> Option<BadResponse> {
        match self.bad {
            // Nothing that the guest does could mend this.
            Some(BadResponse::BodyTooLarge(_)) => self.bad.take(),
            Some(_) if self.is_elsewhere() => None,
            _ => self.bad.take(),
        }
    }

    /// Whether all of the body is there, for certain.
    fn is_over(&self) -> bool {
        self.over && !self.is_elsewhere()
    }

    /// Whether the call is driven elsewhere.
    fn is_elsewhere(&self) -> bool {
        self.run.as_ref().is_some_and(Elsewhere::is_elsewhere)
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) -> Progress {
        let Some(run) = &mut self.run else {
            return Progress::None;
        };
        match Pin::new(run).poll(cx) {
            Poll::Ready((said, rest)) => {
                self.run = None;
                self.said = Some(said);
                self.rest = Some(rest);
                Progress::Some
            }
            Poll::Pending => Progress::None,
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Result<Progress, BadResponse> {
        let Some(reply) = &mut self.reply else {
            return Ok(Progress::None);
        };
        // Without its budget tokio might report a channel as empty that is not, and
        // after the call nothing would wake us again.
        let Poll::Ready(reply) = Pin::new(&mut unconstrained(reply)).poll(cx) else {
            return Ok(Progress::None);
        };
        self.reply = None;
        // An error means that the guest has dropped its end unused. If it fails, or
        // how, is seen when it returns.
        let Ok(reply) = reply else {
            return Ok(Progress::None);
        };
        let (head, body) = reply?.into_parts();
        self.head = Some(head);
        self.body = Some(body);
        Ok(Progress::Some)
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BadResponse>>> {
        let Some(body) = &mut self.body else {
            return Poll::Pending;
        };
        let polled = Pin::new(&mut unconstrained(NextFrame(body))).poll(cx);
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.body = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.body = None;
                Poll::Ready(Some(Err(self.incomplete(error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.taken = self
                    .taken
                    .saturating_add(frame.data_ref().map_or(0, Bytes::len));
                let limit = self.limits.max_response_body;
                if self.taken > limit {
                    self.body = None;
                    return Poll::Ready(Some(Err(BadResponse::BodyTooLarge(limit))));
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn whole(&mut self) -> Result<Response<Bytes>, Failure> {
        let pieces = mem::take(&mut self.pieces);
        let Some(head) = self.head.take() else {
            return Err(BadResponse::Missing.into());
        };
        let status = head.status.as_u16();
        let response = accept(
            &self.method,
            status,
            head.headers,
            pieces.join(),
            &self.limits,
        );
        Ok(response?)
    }

    fn in_pieces(&mut self) -> Result<Told, Failure> {
        let Some(mut head) = self.head.take() else {
            return Err(BadResponse::Missing.into());
        };
        let status = head.status.as_u16();
        let headers = mem::take(&mut head.headers);
        (head.status, head.headers) = accept_head(status, headers, &self.limits)?;
        let first = mem::take(&mut self.pieces).join();
        if !first.is_empty() {
            self.waiting.push_front(Frame::data(first));
        }
        Ok(Told::Head(head))
    }

    /// What a body was that ended with an error.
    fn incomplete(&self, error: WasiError) -> BadResponse {
        let headers = self.head.as_ref().map(|head| &head.headers);
        let declared = headers.and_then(declared_length);
        let wrong = declared.filter(|declared| declared.parse() != Ok(self.taken));
        match (error, wrong) {
            (WasiError::HttpResponseBodySize(Some(sent)), _) => BadResponse::Length {
                declared: declared.unwrap_or_default().to_owned(),
                sent: usize::try_from(sent).unwrap_or(usize::MAX),
            },
            // WASI 0.2 aborts a body whose length is not what it was declared to be.
            (WasiError::HttpProtocolError, Some(declared)) => BadResponse::Length {
                declared: declared.to_owned(),
                sent: self.taken,
            },
            // It also aborts one that is dropped.
            (WasiError::HttpResponseIncomplete | WasiError::HttpProtocolError, _) => {
                BadResponse::Unfinished
            }
            // What the guest gave as its reason, in the place of trailers.
            (other, _) => BadResponse::ErrorCode(other.to_string()),
        }
    }
}

/// What a head says of the length of its body.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<&str> {
    let declared: &HeaderValue = headers.get(header::CONTENT_LENGTH)?;
    declared.to_str().ok()
}

/// The next frame of a body, as a future.
struct NextFrame<'a>(&'a mut WasiBody);

impl Future for NextFrame<'_> {
    type Output = Option<Result<Frame<Bytes>, WasiError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.0).poll_frame(cx)
    }
}
