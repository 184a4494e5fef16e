//! One request into a guest, one response or failure out. Nothing here knows a
//! server.
//!
//! How long a call may take, and what its errors mean, is in `call.rs`.

use std::future;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, Uri, response};
use http_body_util::{BodyExt, Full};
use tokio::sync::oneshot;
use tokio::task::coop::unconstrained;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, WasiHttpView};

use crate::bindings::handler::exports::lavandula::arena::handler as fast;
use crate::bindings::invocation::exports::lavandula::arena::invocation::Region;
use crate::bindings::invocation::lavandula::arena::types::{Error as GuestError, Usage};
use crate::body::{Pieces, TooLarge};
use crate::call::{Phase, explain, until};
use crate::epoch;
use crate::failure::{BadResponse, Failure};
use crate::limits::MemoryUse;
use crate::program::{Door, Guest};
use crate::response::{accept, headers};

impl Guest {
    /// Hands one request to the guest, by `door`.
    pub(crate) async fn handle(
        &mut self,
        door: Door,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Failure> {
        match door {
            Door::Fast => self.handle_fast(request).await,
            Door::WasiHttp => self.handle_wasi(request).await,
        }
    }

    /// What the memory of the instance did so far.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        self.store.data().ledger.memory_use()
    }

    fn explain(&self, error: wasmtime::Error) -> Failure {
        explain(error, self.store.data(), Phase::Call)
    }

    async fn handle_fast(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let guest = required(&self.fast, "handle")?;
        let (parts, body) = request.into_parts();
        let fields: Vec<fast::HeaderParam<'_>> = parts
            .headers
            .iter()
            // The same as `wasi:http` keeps from a guest: they are about the
            // connection, or, as `host`, given elsewhere.
            .filter(|(name, _)| !DEFAULT_FORBIDDEN_HEADERS.contains(name))
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let request = fast::Request {
            method: parts.method.as_str(),
            path_with_query: parts.uri.path_and_query().map_or("/", |path| path.as_str()),
            authority: authority(&parts.uri, &parts.headers),
            headers: &fields,
            body: &body,
        };

        let deadline = self.store.data().deadline;
        let call = guest
            .lavandula_arena_handler()
            .call_handle(&mut self.store, request);
        let answer = match until(deadline, call).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.explain(error)),
        };
        let limits = self.store.data().limits();
        let headers = headers(answer.headers)?;
        Ok(accept(
            &parts.method,
            answer.status,
            headers,
            answer.body.into(),
            limits,
        )?)
    }

    async fn handle_wasi(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let guest = required(&self.wasi, "handle")?;
        let limits = *self.store.data().limits();
        let method = request.method().clone();
        let (answer, outparam) = oneshot::channel();
        let mut http = self.store.data_mut().http();
        let request = named(request).map(Full::new);
        let request = http
            .new_incoming_request(Scheme::Http, request)
            .map_err(Failure::Instantiate)?;
        let out = http
            .new_response_outparam(answer)
            .map_err(Failure::Instantiate)?;

        let deadline = self.store.data().deadline;
        let guest = guest.wasi_http_incoming_handler();
        // The body is taken while the guest runs: it can only write as much as
        // is taken, and would wait for ever otherwise.
        let mut collector = Collector::new(outparam, limits.max_response_body);
        let mut collected = None;
        let called = {
            let call = guest.call_handle(&mut self.store, request, out);
            let mut call = pin!(until(deadline, call));
            // Without its budget tokio might report a channel as empty that is
            // not, and after the call nothing would wake us again.
            let mut collect = pin!(unconstrained(collector.collect()));
            let called = future::poll_fn(|cx| {
                let called = call.as_mut().poll(cx);
                if collected.is_none()
                    && let Poll::Ready(result) = collect.as_mut().poll(cx)
                {
                    collected = Some(result);
                }
                match (&collected, called) {
                    // Nothing that the guest does could mend this.
                    (Some(Err(BadResponse::BodyTooLarge(_))), Poll::Pending) => Poll::Ready(Ok(())),
                    (_, called) => called,
                }
            });
            called.await
        };
        if let Err(error) = called {
            return Err(self.explain(error));
        }
        let body = match collected {
            Some(result) => result?,
            // The guest is done and its response is not.
            None if collector.head.is_some() => return Err(BadResponse::Unfinished.into()),
            None => return Err(BadResponse::Missing.into()),
        };
        let Some(head) = collector.head else {
            return Err(BadResponse::Missing.into());
        };
        Ok(accept(
            &method,
            head.status.as_u16(),
            head.headers,
            body,
            &limits,
        )?)
    }
}

impl Guest {
    /// Gives the guest `time` for the calls that follow, and leaves it alone
    /// until then.
    ///
    /// An interruption by the epoch is a crossing like any other to a call
    /// hook, and when it comes depends on the machine. Nobody else waits on
    /// this thread, so there is no need for one before the time is up.
    pub(crate) fn undisturbed_for(&mut self, time: Duration) {
        self.store.data_mut().deadline = Instant::now() + time;
        self.store.set_epoch_deadline(epoch::ticks(time));
    }

    /// Calls `invocation.seal`: initialisation is over.
    pub(crate) async fn seal(&mut self) -> Result<(), Failure> {
        let deadline = self.store.data().deadline;
        let guest = required(&self.invocation, "seal")?.lavandula_arena_invocation();
        let called = until(deadline, guest.call_seal(&mut self.store)).await;
        self.granted("seal", called)
    }

    /// Calls `invocation.rewind`: what the requests left is taken back.
    pub(crate) async fn rewind(&mut self) -> Result<(), Failure> {
        let deadline = self.store.data().deadline;
        let guest = required(&self.invocation, "rewind")?.lavandula_arena_invocation();
        let called = until(deadline, guest.call_rewind(&mut self.store)).await;
        self.granted("rewind", called)
    }

    /// Calls `invocation.rewind`, and then `invocation.usage` to see what came of
    /// it.
    pub(crate) async fn rewind_and_look(&mut self) -> Result<Usage, Failure> {
        let deadline = self.store.data().deadline;
        let guest = required(&self.invocation, "rewind")?.lavandula_arena_invocation();
        let store = &mut self.store;
        let calls = async {
            let rewound = guest.call_rewind(&mut *store).await?;
            let usage = guest.call_usage(&mut *store).await?;
            Ok(rewound.map(|()| usage))
        };
        let called = until(deadline, calls).await;
        self.granted("rewind", called)
    }

    /// Calls `invocation.usage`, where the guest has it.
    pub(crate) async fn usage(&mut self) -> Result<Option<Usage>, Failure> {
        let deadline = self.store.data().deadline;
        let Some(guest) = &self.invocation else {
            return Ok(None);
        };
        let guest = guest.lavandula_arena_invocation();
        let called = until(deadline, guest.call_usage(&mut self.store)).await;
        match called {
            Ok(usage) => Ok(Some(usage)),
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Calls `invocation.image-store`: where the guest keeps the image that a
    /// rewind puts back. Empty where it keeps none.
    pub(crate) async fn image_store(&mut self) -> Result<Vec<Region>, Failure> {
        let deadline = self.store.data().deadline;
        let Some(guest) = &self.invocation else {
            return Ok(Vec::new());
        };
        let guest = guest.lavandula_arena_invocation();
        let called = until(deadline, guest.call_image_store(&mut self.store)).await;
        called.map_err(|error| self.explain(error))
    }

    /// Calls `invocation.blocks`: where the arena is that requests use. Nowhere
    /// where the guest does not export it.
    pub(crate) async fn blocks(&mut self) -> Result<Vec<Region>, Failure> {
        let deadline = self.store.data().deadline;
        let Some(guest) = &self.invocation else {
            return Ok(Vec::new());
        };
        let guest = guest.lavandula_arena_invocation();
        let called = until(deadline, guest.call_blocks(&mut self.store)).await;
        called.map_err(|error| self.explain(error))
    }

    fn granted<T>(
        &self,
        call: &'static str,
        called: wasmtime::Result<Result<T, GuestError>>,
    ) -> Result<T, Failure> {
        match called {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure::Invocation {
                call,
                why: error.to_string(),
            }),
            Err(error) => Err(self.explain(error)),
        }
    }
}

/// The exports that `call` needs. A function of the field alone, because the
/// call needs the store at the same time.
fn required<'a, T>(exports: &'a Option<T>, call: &'static str) -> Result<&'a T, Failure> {
    exports.as_ref().ok_or_else(|| Failure::Invocation {
        call,
        why: "it does not export it".to_owned(),
    })
}

/// The host that the client asked for, where it is known.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = || headers.get(header::HOST)?.to_str().ok();
    uri.authority()
        .map(|authority| authority.as_str())
        .or_else(host)
}

/// `wasi:http` has no request without an authority. HTTP/1.0 has, and so do
/// tests; these are for this machine.
fn named(mut request: Request<Bytes>) -> Request<Bytes> {
    if authority(request.uri(), request.headers()).is_none() {
        let here = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, here);
    }
    request
}

/// Takes a response of `wasi:http` as the guest makes it.
struct Collector {
    outparam: oneshot::Receiver<Result<Response<HyperOutgoingBody>, ErrorCode>>,
    limit: usize,
    /// Set as soon as the guest has set its response.
    head: Option<response::Parts>,
}

impl Collector {
    fn new(
        outparam: oneshot::Receiver<Result<Response<HyperOutgoingBody>, ErrorCode>>,
        limit: usize,
    ) -> Self {
        Self {
            outparam,
            limit,
            head: None,
        }
    }

    /// The whole body. Trailers are left out: what sends the response knows its
    /// length and has no use for them.
    async fn collect(&mut self) -> Result<Bytes, BadResponse> {
        let answer = (&mut self.outparam)
            .await
            .map_err(|_| BadResponse::Missing)?;
        let answer = answer.map_err(|code| BadResponse::ErrorCode(code.to_string()))?;
        let (head, mut body) = answer.into_parts();
        let declared = head.headers.get(header::CONTENT_LENGTH).cloned();
        self.head = Some(head);

        let mut pieces = Pieces::new(self.limit);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| incomplete(declared.as_ref(), pieces.len()))?;
            if let Ok(data) = frame.into_data() {
                let too_large = BadResponse::BodyTooLarge(self.limit);
                pieces.push(data).map_err(|TooLarge| too_large)?;
            }
        }
        Ok(pieces.join())
    }
}

/// What an aborted body was: `wasi:http` aborts one whose length is not what it
/// was declared to be, and one that is dropped.
fn incomplete(declared: Option<&HeaderValue>, sent: usize) -> BadResponse {
    let declared = declared.and_then(|value| value.to_str().ok());
    match declared {
        Some(declared) if declared.parse() != Ok(sent) => BadResponse::Length {
            declared: declared.to_owned(),
            sent,
        },
        _ => BadResponse::Unfinished,
    }
}

#[cfg(test)]
mod tests;
