//! The door of WASI 0.3: `wasi:http/handler`, an asynchronous call whose bodies are
//! streams.
//!
//! The guest returns a response and goes on: it has yet to write the body, and may
//! have work to do after that. All of this happens in the store's event loop, which
//! runs for as long as somebody polls [`Guest::handle_service`]. So that is where a
//! request of this door lives, from the call to the last byte of its response,
//! while whoever sends the response takes the body out at the other end.
//!
//! Each end learns what became of the other through one channel, which the body
//! holds: see [`Watched`].
//!
//! What is done with one request in such a loop is an [`Exchange`]. Who has several of
//! them in one loop (see [`sharing`](crate::sharing)) begins another where the guest
//! [is ready](is_ready) for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, GuestTaskId, Resource, TypedFunc, TypedFuncCallConcurrent};
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request as GuestRequest, Response as GuestResponse};
use wasmtime_wasi_http::{Error, FieldMap, WasiBody, WasiHttpView};

use super::required;
use crate::call::until;
use crate::failure::{BadResponse, Failure};
use crate::flow::Reply;
use crate::program::Guest;
use crate::state::State;

impl Guest {
    /// Hands one request to the guest. Its response goes out through `reply` as
    /// soon as there is one; returns when the guest is done and the response's body
    /// was taken, or dropped by whoever had received it.
    ///
    /// The body ends with an error where this ends before it, by a failure or
    /// because it was dropped: what is missing never looks like the end.
    ///
    /// # Errors
    /// As the other doors, and also after the response: a guest may trap, or run
    /// out of time, in the middle of its body.
    pub(crate) async fn handle_service(
        &mut self,
        request: Request<WasiBody>,
        reply: Reply,
    ) -> Result<(), Failure> {
        let service = required(&self.service, "handle")?;
        let deadline = self.store.data().deadline;
        let run = self
            .store
            .run_concurrent(async |accessor| exchange(service, accessor, request, reply).await);
        match until(deadline, run).await.flatten() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(code)) => Err(BadResponse::ErrorCode(code.to_string()).into()),
            Err(error) => Err(self.explain(error)),
        }
    }
}

type Arguments = (Resource<GuestRequest>,);
type Handled = (Result<Resource<GuestResponse>, ErrorCode>,);

/// One request in the event loop of its store, from the call on.
pub(crate) struct Exchange {
    handle: TypedFunc<Arguments, Handled>,
    call: TypedFuncCallConcurrent<State, Arguments, Handled>,
}

impl Exchange {
    /// Calls the guest, which runs with the next turn of the loop.
    ///
    /// A call that was begun has to be awaited: where nobody does, its response stays
    /// among the resources of the store, with a body that nobody takes, and a guest
    /// that waits for that. Who does not want it drops the receiver of its reply.
    pub(crate) fn begin(
        service: &Service,
        accessor: &Accessor<State>,
        request: Request<WasiBody>,
    ) -> wasmtime::Result<Self> {
        let handle = service.wasi_http_handler().func_handle();
        let call = accessor.with(|mut store| {
            let state = store.data_mut();
            let request = incoming(state, request);
            let request = state.http().table.push(request)?;
            handle.start_call_concurrent(store, (request,))
        })?;
        Ok(Self { handle, call })
    }

    /// What the engine knows the call by, until its task has ended.
    pub(crate) fn task(&self) -> GuestTaskId {
        self.call.task()
    }

    /// The response goes out through `reply` as soon as there is one; returns when its
    /// body was taken, or dropped by whoever had received it. The guest may have more
    /// to do.
    ///
    /// # Errors
    /// A trap, in any of the calls of the loop.
    pub(crate) async fn respond(
        self,
        accessor: &Accessor<State>,
        reply: Reply,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        let (handled,) = self
            .handle
            .finish_call_concurrent(accessor, self.call)
            .await?;
        let response = match handled {
            Ok(response) => response,
            Err(code) => return Ok(Err(code)),
        };
        // The guest may wait for what becomes of its body.
        let (tell, told) = oneshot::channel();
        let transmitted = async { told.await.unwrap_or(Err(Error::ConnectionTerminated)) };
        let response = accessor.with(|mut store| {
            let response = store.data_mut().http().table.delete(response)?;
            response.into_http(store, transmitted)
        })?;

        let (response, fate) = watched(response);
        // Where nobody wants it, its fate says so.
        let _ = reply.send(Ok(response));
        let _ = tell.send(match fate.await {
            Ok(Taken) => Ok(()),
            Err(_) => Err(Error::ConnectionTerminated),
        });
        Ok(Ok(()))
    }
}

/// One request, in the event loop of its store, until the guest has nothing more to do.
async fn exchange(
    service: &Service,
    accessor: &Accessor<State>,
    request: Request<WasiBody>,
    reply: Reply,
) -> wasmtime::Result<Result<(), ErrorCode>> {
    let exchange = Exchange::begin(service, accessor, request)?;
    let responded = exchange.respond(accessor, reply).await?;
    if responded.is_ok() {
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    }
    Ok(responded)
}

/// Whether a guest is ready for another call, or refuses it by back-pressure for now.
/// Whoever asks is woken when that changes, if nobody has asked since.
pub(crate) fn is_ready(
    service: &Service,
    accessor: &Accessor<State>,
    cx: &mut Context<'_>,
) -> bool {
    let handle = *service.wasi_http_handler().func_handle().func();
    accessor
        .poll_ready_for_concurrent_call(handle, cx)
        .is_ready()
}

/// The request as the guest is to see it.
fn incoming(state: &mut State, request: Request<WasiBody>) -> GuestRequest {
    let (head, body) = request.into_parts();
    let uri = head.uri.into_parts();
    let authority = match (uri.authority, head.headers.get(header::HOST)) {
        (Some(authority), _) => Some(authority),
        (None, Some(host)) => Authority::try_from(host.as_bytes()).ok(),
        // HTTP/1.0 need not name one, nor do tests: these are for this machine.
        (None, None) => Some(Authority::from_static("localhost")),
    };
    let path = uri
        .path_and_query
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let headers = FieldMap::new_immutable(state.http().hooks, head.headers);
    let (request, _) = GuestRequest::new(
        head.method,
        Some(uri.scheme.unwrap_or(Scheme::HTTP)),
        authority,
        Some(path),
        headers,
        None,
        body,
    );
    request
}

/// The end of a body was reached.
struct Taken;

/// A body that tells its guest's event loop what becomes of it, and ends with an
/// error where the loop ended first.
///
/// The inner body alone would not: the guest's end of it closes when the guest is
/// through with it, and just so when the guest is gone.
struct Watched {
    body: WasiBody,
    /// Sends where the end was reached, and is dropped where it was not. Its other
    /// end is dropped where the loop is over, which it never is before this one
    /// has told.
    fate: Option<oneshot::Sender<Taken>>,
}

fn watched(response: Response<WasiBody>) -> (Response<WasiBody>, oneshot::Receiver<Taken>) {
    let (tell, fate) = oneshot::channel();
    let response = response.map(|body| {
        let watched = Watched {
            body,
            fate: Some(tell),
        };
        watched.boxed_unsync()
    });
    (response, fate)
}

impl Watched {
    fn is_cut_off(&self) -> bool {
        self.fate.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let end = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(_)) = end {
            return end;
        }
        let Some(fate) = &mut self.fate else {
            return end;
        };
        if fate.poll_closed(cx).is_ready() {
            self.fate = None;
            return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
        }
        if end.is_ready()
            && let Some(fate) = self.fate.take()
        {
            let _ = fate.send(Taken);
        }
        end
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && !self.is_cut_off()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Whoever sees that it is at its end need not ask for it.
        if self.is_end_stream()
            && let Some(fate) = self.fate.take()
        {
            let _ = fate.send(Taken);
        }
    }
}

#[cfg(test)]
mod tests;
