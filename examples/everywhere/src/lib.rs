//! Tells where it runs. The same file is a component for every host of `wasi:http`, a
//! worker for every runtime of JavaScript, and a service of Fastly Compute.
//!
//! | | |
//! | --- | --- |
//! | `GET /state` | how many requests this instance has had, as a static tells, and the size of its memory |
//! | `GET /marker?of=TEXT` | works with the text, and tells how many others lie in memory |
//! | `GET /headers` | the request's headers that begin with `x-`, a line each, and as the response's |
//! | `POST /echo` | the body, as it came |
//! | `POST /digest` | its length and checksum |
//! | `GET /trap` | ends the instance |
//!
//! With `InvocationHeap` the static is put back after each request, and memory is
//! overwritten: both look like the first request's, also where the host keeps the
//! instance. With the feature `std-heap` they show what the host does.
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod memory;

use std::sync::atomic::{AtomicU32, Ordering};

use lavandula::{AllocError, Context, Request, Response};

#[cfg(all(target_family = "wasm", not(feature = "std-heap")))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

#[cfg(all(feature = "export", not(feature = "wasi-0-3")))]
lavandula::export!(handle);

#[cfg(all(feature = "export", feature = "wasi-0-3"))]
lavandula::export!(handle, wasi = 0.3);

/// Requests that this instance has had.
static SERVED: AtomicU32 = AtomicU32::new(0);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

const USAGE: &str = include_str!("usage.txt");

/// Answers one request.
///
/// # Errors
/// [`AllocError`] where the arena has no room for the answer, which is a 507.
pub fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let served = SERVED.fetch_add(1, Ordering::Relaxed);
    Ok(match (request.method(), request.path()) {
        ("GET" | "HEAD", "/") => Response::ok(USAGE, TEXT),
        ("GET", "/state") => state(cx, served)?,
        ("GET", "/marker") => marker(cx, request, served)?,
        ("GET", "/headers") => headers(cx, request)?,
        ("POST", "/echo") => Response::ok(request.body(), "application/octet-stream"),
        ("POST", "/digest") => digest(cx, request)?,
        ("GET", "/trap") => memory::trap(),
        _ => Response::not_found(USAGE, TEXT),
    })
}

fn state(cx: &Context, served: u32) -> Result<Response<'_>, AllocError> {
    let bytes = memory::size();
    let answer = cx
        .arena()
        .alloc_fmt(format_args!("{{\"served\":{served},\"memory\":{bytes}}}\n"))?;
    Ok(Response::ok(answer, JSON))
}

fn marker<'a>(
    cx: &'a Context,
    request: Request<'a>,
    served: u32,
) -> Result<Response<'a>, AllocError> {
    let Some(own) = request.query_value("of").filter(|of| memory::is_marker(of)) else {
        return Ok(Response::bad_request("of=mark- and 16 hex digits\n", TEXT));
    };
    // Looked for first, so that this request covers nothing up.
    let others = memory::others(own);
    // What a handler does with its request: some of it in the arena, some in whatever
    // its libraries allocate with. 42 KB in all.
    let kept: Vec<String> = (1..64).map(|times| own.repeat(times)).collect();
    let longest = kept.last().map_or("", String::as_str);
    let copy = cx.arena().strdup(longest)?;
    let bytes = memory::size();
    let answer = cx.arena().alloc_fmt(format_args!(
        "{{\"marker\":\"{}\",\"others\":{others},\"served\":{served},\"memory\":{bytes}}}\n",
        &copy[..own.len()],
    ))?;
    Ok(Response::ok(answer, JSON))
}

fn headers<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let mut text = cx.arena().buffer();
    let mut response = Response::ok("", TEXT);
    for header in request.headers() {
        if header.name.starts_with("x-") {
            text.push(header.name.as_bytes())?;
            text.push(b": ")?;
            text.push(header.value)?;
            text.push(b"\n")?;
            response = response.with_header(header.name, header.value);
        }
    }
    Ok(response.with_body(text.finish()))
}

fn digest<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let body = request.body();
    let answer = cx.arena().alloc_fmt(format_args!(
        "{{\"bytes\":{},\"fnv1a\":\"{:016x}\"}}\n",
        body.len(),
        fnv1a(body)
    ))?;
    Ok(Response::ok(answer, JSON))
}

/// The 64-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: Request<'_>) -> (u16, String) {
        lavandula::Invocation::new()
            .run(|cx| {
                let response = handle(cx, request).unwrap();
                let body = String::from_utf8_lossy(response.body().as_bytes()).into_owned();
                (response.status(), body)
            })
            .unwrap()
    }

    #[test]
    fn a_body_is_told_by_its_length_and_checksum() {
        let (_, empty) = ask(Request::new("POST", "/digest"));
        assert_eq!(empty, "{\"bytes\":0,\"fnv1a\":\"cbf29ce484222325\"}\n");
        let (_, a) = ask(Request::new("POST", "/digest").with_body(b"a"));
        assert_eq!(a, "{\"bytes\":1,\"fnv1a\":\"af63dc4c8601ec8c\"}\n");
    }

    #[test]
    fn a_marker_is_given_back_and_what_is_none_is_refused() {
        let (status, answer) = ask(Request::new("GET", "/marker?of=mark-0123456789abcdef"));
        assert_eq!(status, 200);
        assert!(answer.starts_with("{\"marker\":\"mark-0123456789abcdef\",\"others\":0,"));
        let (status, _) = ask(Request::new("GET", "/marker?of=mark-xyz"));
        assert_eq!(status, 400);
    }
}
