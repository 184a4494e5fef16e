//! One request into a guest, one response or failure out. Nothing here knows a
//! server.
//!
//! How long a call may take, and what its errors mean, is in `call.rs`.
//!
//! The futures of calls are in boxes, and the functions around them give a block instead of
//! being `async`: what is passed to one of the latter has its place in it twice. All of them
//! are within each other, and each is moved to its place before it is first polled.

pub(crate) mod service;

use std::future;
use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, WasiHttpView};

use crate::bindings::handler::exports::lavandula::arena::handler as fast;
use crate::bindings::invocation::exports::lavandula::arena::invocation::Region;
use crate::bindings::invocation::lavandula::arena::types::{Error as GuestError, Usage};
use crate::body::RequestBody;
use crate::call::{Phase, explain, until};
use crate::epoch;
use crate::failure::{BadResponse, Failure};
use crate::flow::{Flow, Patience, Reply, Said, Told};
use crate::limits::MemoryUse;
use crate::program::{Door, Guest};
use crate::response::{accept, headers};

impl Guest {
    /// Hands one request to the guest, by `door`, and waits for all of its response.
    pub(crate) async fn handle(
        &mut self,
        door: Door,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Failure> {
        let method = request.method().clone();
        let limits = *self.store.data().limits();
        let (reply, replied) = oneshot::channel();
        let request = request.map(RequestBody::Whole);
        let said = pin!(async { (self.converse(door, request, reply).await, ()) });
        let mut flow = Flow::new(said, Some(replied), method, &limits);
        match future::poll_fn(|cx| flow.poll_told(cx, Patience::Endless)).await? {
            Told::Whole(response) => {
                // The guest may have more to do, and is not to be called before.
                future::poll_fn(|cx| flow.poll_end(cx)).await;
                match flow.take_failure() {
                    Some(failure) => Err(failure),
                    None => Ok(response),
                }
            }
            Told::Head(_) => Err(BadResponse::Unfinished.into()),
        }
    }

    /// Hands one request to the guest, by `door`. The response is what is returned,
    /// or goes through `reply` as soon as the guest has set it; then its body has to
    /// be taken while this runs.
    pub(crate) fn converse(
        &mut self,
        door: Door,
        request: Request<RequestBody>,
        reply: Reply,
    ) -> impl Future<Output = Said> + Send {
        async move {
            match door {
                Door::Fast => self.handle_fast(request).await.map(Some),
                Door::WasiHttp => self.handle_wasi(request, reply).await.map(|()| None),
                Door::Service => {
                    let request = request.map(RequestBody::into_wasi);
                    // The largest of them, and by far not the fastest: it is not to be in
                    // the way of the others.
                    let handled = Box::pin(self.handle_service(request, reply));
                    handled.await.map(|()| None)
                }
            }
        }
    }

    /// The time of another request begins now. Not before, and not when the instance
    /// was made: it may have waited, and its first tick would be over.
    pub(crate) fn begin(&mut self) {
        self.store.data_mut().begin();
        self.store.set_epoch_deadline(epoch::TURN);
    }

    /// What the memory of the instance did so far.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        self.store.data().ledger.memory_use()
    }

    pub(crate) fn explain(&self, error: wasmtime::Error) -> Failure {
        explain(error, self.store.data(), Phase::Call)
    }

    fn handle_fast(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Bytes>, Failure>> + Send {
        async move {
            let (parts, body) = request.into_parts();
            let body = match body {
                RequestBody::Whole(body) => body,
                // This door has no other way.
                RequestBody::Pieces(body) => {
                    let body = body.collect().await;
                    body.map_err(|_| Failure::ClientGone)?.to_bytes()
                }
            };
            let guest = required(&self.fast, "handle")?;
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
            let answer = match until(deadline, Box::pin(call)).await {
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
    }

    fn handle_wasi(
        &mut self,
        request: Request<RequestBody>,
        reply: Reply,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        async move {
            let guest = required(&self.wasi, "handle")?;
            let mut http = self.store.data_mut().http();
            let request = named(request).map(RequestBody::into_wasi);
            let request = http
                .new_incoming_request(Scheme::Http, request)
                .map_err(Failure::Instantiate)?;
            let out = http
                .new_response_outparam_from_callback(move |answer| {
                    let answer = answer.map_err(|code| BadResponse::ErrorCode(code.to_string()));
                    // Nobody may want it any more, which is nothing to the guest.
                    let _ = reply.send(answer);
                })
                .map_err(Failure::Instantiate)?;

            let deadline = self.store.data().deadline;
            let guest = guest.wasi_http_incoming_handler();
            let call = guest.call_handle(&mut self.store, request, out);
            match until(deadline, Box::pin(call)).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.explain(error)),
            }
        }
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
pub(crate) fn required<'a, T>(
    exports: &'a Option<T>,
    call: &'static str,
) -> Result<&'a T, Failure> {
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
fn named<B>(mut request: Request<B>) -> Request<B> {
    if authority(request.uri(), request.headers()).is_none() {
        let here = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, here);
    }
    request
}

#[cfg(test)]
mod tests;
