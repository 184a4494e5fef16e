//! The handler of `examples/everywhere` as a service of Fastly Compute.
//!
//! A template. Fastly's runtime has an ABI of its own, so a door of one page takes the
//! place of `lavandula::export!`: it makes a request of ours of Fastly's, and a response
//! of Fastly's of ours.
//!
//! Each request has an instance of its own, unless the feature `reuse` is on: then an
//! instance waits for more, and is rewound after each.
#![cfg_attr(target_arch = "wasm32", no_main)]

use std::io::Read;

use fastly::http::{HeaderName, HeaderValue, StatusCode};
use lavandula::{AllocError, Arena, Context, Door, Header, IntoResponse, Request, Response};

#[cfg(feature = "reuse")]
mod reuse;

struct Compute;

lavandula::door!(Compute);

/// Natively there is nothing to run.
#[cfg(not(target_arch = "wasm32"))]
fn main() {}

impl Door for Compute {
    type Request = fastly::Request;

    fn initialise() {
        fastly::init();
    }

    fn next(answered: usize) -> Option<fastly::Request> {
        match answered {
            0 => Some(fastly::Request::from_client()),
            #[cfg(feature = "reuse")]
            _ => reuse::next(answered),
            #[cfg(not(feature = "reuse"))]
            _ => None,
        }
    }

    fn answer(cx: &Context, mut request: fastly::Request) {
        let body = request.take_body();
        let response = match receive(cx.arena(), &request, body) {
            Ok(request) => everywhere::handle(cx, request).into_response(),
            Err(error) => error.into_response(),
        };
        send(&response);
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

/// The request as the handler sees it. What Fastly's has in memory is lent, not copied:
/// it lives longer than the handler runs.
fn receive<'a>(
    arena: &'a Arena,
    request: &'a fastly::Request,
    body: fastly::Body,
) -> Result<Request<'a>, ReceiveError> {
    let path = match request.get_query_str() {
        None => request.get_path(),
        Some(query) => arena.alloc_fmt(format_args!("{}?{query}", request.get_path()))?,
    };
    let headers = request.get_headers();
    let headers: Vec<_> = headers
        .map(|(name, value)| Header {
            name: name.as_str(),
            value: value.as_bytes(),
        })
        .collect();
    let so_far = Request::new(request.get_method_str(), path)
        .with_headers(arena.alloc_slice_copy(&headers)?);
    let (host, announced) = {
        let headers = so_far.headers();
        (headers.get("host"), headers.get("content-length"))
    };
    let announced = announced.and_then(|length| length.parse().ok());
    Ok(so_far
        .with_authority(host.or(request.get_url().host_str()))
        .with_body(read(arena, body, announced.unwrap_or(0))?))
}

/// Bytes asked of a body at a time.
const CHUNK: usize = 16 * 1024;

/// Bytes that a `content-length` may reserve before any of them has come: a header is a
/// claim, not a fact.
const RESERVED_ON_TRUST: usize = 1024 * 1024;

/// Reads a body into the arena.
fn read(arena: &Arena, body: fastly::Body, announced: usize) -> Result<&[u8], ReceiveError> {
    // What it is read with is larger than the buffer that a body has.
    let mut body = body.into_handle();
    let mut bytes = arena.buffer();
    bytes.reserve(announced.min(RESERVED_ON_TRUST))?;
    let mut chunk = [0; CHUNK];
    loop {
        match body.read(&mut chunk) {
            Ok(0) => return Ok(bytes.finish()),
            Ok(len) => bytes.push(&chunk[..len])?,
            Err(_) => return Err(ReceiveError::Body),
        }
    }
}

/// Sends the response. Where a part of it is not valid, a 500 goes out in its place.
fn send(response: &Response<'_>) {
    let answer = lower(response).unwrap_or_else(|| {
        fastly::Response::from_status(StatusCode::INTERNAL_SERVER_ERROR)
            .with_body("the response has a status or a header that is not valid\n")
    });
    answer.send_to_client();
}

/// Of the length the runtime tells the client, and it knows which answers have no body.
fn lower(response: &Response<'_>) -> Option<fastly::Response> {
    if !(200..600).contains(&response.status()) {
        return None;
    }
    let mut answer = fastly::Response::from_status(response.status());
    for header in response.headers() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        answer.append_header(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    let body = response.body().as_bytes();
    if !body.is_empty() {
        answer.set_body(body);
    }
    Some(answer)
}
