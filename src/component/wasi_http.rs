//! The standard door: `wasi:http/incoming-handler` 0.2.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;

use super::edge_handler::edge::exports::wasi::http::incoming_handler;
use super::edge_handler::edge::wasi::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use super::edge_handler::edge::wasi::io::streams::{OutputStream, StreamError};
use crate::handler::Handler;
use crate::http::{headers_in, headers_of};
use crate::{AllocError, Arena, Header, IntoResponse, Request, Response, instance};

/// Bytes asked of the request's stream at a time.
const CHUNK: u64 = 64 * 1024;

/// Bytes that a `content-length` may make the arena reserve before any of them
/// has come: a header is a claim, not a fact.
const RESERVED_ON_TRUST: usize = 1024 * 1024;

impl<T: Handler> incoming_handler::Guest for T {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        // `out` is used exactly once, in the closure or after it.
        let mut out = Some(out);
        let ran = instance::run(T::initialise, |cx| {
            let response = match receive(cx.arena(), request) {
                Ok(request) => T::handle(cx, request),
                Err(error) => error.into_response(),
            };
            if let Some(out) = out.take() {
                send(out, response);
            }
        });
        if let (Err(error), Some(out)) = (ran, out) {
            send(out, error.into_response());
        }
    }
}

/// Why a request could not be read.
enum ReceiveError {
    Alloc(AllocError),
    /// The client went away, or sent something else than it announced.
    Body,
}

impl From<AllocError> for ReceiveError {
    fn from(error: AllocError) -> Self {
        Self::Alloc(error)
    }
}

impl<'a> IntoResponse<'a> for ReceiveError {
    fn into_response(self) -> Response<'a> {
        match self {
            Self::Alloc(error) => error.into_response(),
            Self::Body => Response::bad_request("the request's body ended early\n", "text/plain"),
        }
    }
}

/// Reads the request into the arena.
fn receive(arena: &Arena, request: IncomingRequest) -> Result<Request<'_>, ReceiveError> {
    let method = match request.method() {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => text(arena, name)?,
    };
    let path = match request.path_with_query() {
        Some(path) => text(arena, path)?,
        None => "/",
    };
    let authority = match request.authority() {
        Some(authority) => Some(text(arena, authority)?),
        None => None,
    };
    // The handle on the headers must be gone before the request is.
    let headers = headers(arena, request.headers().entries())?;

    let so_far = Request::new(method, path)
        .with_authority(authority)
        .with_headers(headers);
    let announced = so_far
        .headers()
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    Ok(so_far.with_body(receive_body(arena, request, announced)?))
}

/// A text that the host put into memory, in the arena: where it lies already it is
/// taken back with everything else.
fn text(arena: &Arena, text: String) -> Result<&str, AllocError> {
    if !instance::holds_everything() {
        return Ok(arena.strdup(&text)?);
    }
    let text: &String = arena.alloc(ManuallyDrop::new(text))?;
    Ok(text)
}

/// Likewise the headers.
fn headers(arena: &Arena, headers: Vec<(String, Vec<u8>)>) -> Result<&[Header<'_>], AllocError> {
    if !instance::holds_everything() {
        return headers_in(arena, &headers);
    }
    let headers: &mut Vec<_> = arena.alloc(ManuallyDrop::new(headers))?;
    headers_of(arena, headers)
}

fn receive_body(
    arena: &Arena,
    request: IncomingRequest,
    announced: usize,
) -> Result<&[u8], ReceiveError> {
    let body = request.consume().map_err(|()| ReceiveError::Body)?;
    let stream = body.stream().map_err(|()| ReceiveError::Body)?;
    let mut bytes = arena.buffer();
    bytes.reserve(announced.min(RESERVED_ON_TRUST))?;
    loop {
        match stream.blocking_read(CHUNK) {
            Ok(chunk) => bytes.push(&chunk)?,
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(ReceiveError::Body),
        }
    }
    // A stream is a child of its body, and must be gone first.
    drop(stream);
    drop(IncomingBody::finish(body));
    Ok(bytes.finish())
}

/// Sends the response. Where the host refuses a part of it, a 500 goes out in
/// its place, since an unset response is worse.
fn send(out: ResponseOutparam, response: Response<'_>) {
    let (head, response) = match head(&response) {
        Some(head) => (head, response),
        None => {
            let refused = Response::internal_server_error(
                "the response has a status or a header that is not valid\n",
                "text/plain",
            );
            match head(&refused) {
                Some(head) => (head, refused),
                None => return,
            }
        }
    };
    let Ok(body) = head.body() else { return };
    ResponseOutparam::set(out, Ok(head));
    let written = match body.write() {
        Ok(stream) => write(&stream, response.body().as_bytes()),
        Err(()) => Err(StreamError::Closed),
    };
    // Without `finish` the host tells the client that the body is cut short.
    if written.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
}

fn head(response: &Response<'_>) -> Option<OutgoingResponse> {
    let length = alloc::format!("{}", response.body().as_bytes().len());
    let mut headers = response.owned_headers();
    let has_length = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    // 204 and 304 have no body, and no length either.
    if !has_length && !matches!(response.status(), 204 | 304) {
        headers.push((String::from("content-length"), length.into_bytes()));
    }
    let head = OutgoingResponse::new(Fields::from_list(&headers).ok()?);
    head.set_status_code(response.status()).ok()?;
    Some(head)
}

fn write(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let permitted = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if permitted == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(permitted.min(bytes.len()));
        stream.write(now)?;
        bytes = later;
    }
    stream.blocking_flush()
}
