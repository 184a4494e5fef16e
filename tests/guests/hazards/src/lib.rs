//! Keeps what it should not: one path for each way to be wrong when an instance
//! is used again.
//!
//! Every answer tells what the handler found that it should not have found, and
//! then the handler leaves something of its own request behind: the value of the
//! header `x-lavandula-marker`. So an answer is right if it is the one that a new
//! instance gives, and where it is wrong it names the request that was there
//! before.
//!
//! - `cells.rs`: statics, thread-locals and collections
//! - `expressions.rs`: a library with a cache of its own
//! - `output.rs`: what the standard library buffers and hooks
//! - `memory.rs`: memory from somewhere else, and a lot of it
//! - `startup.rs`: what was made before the first request
//! - `naive.rs`: the allocator that is wrong
#![cfg(target_arch = "wasm32")]

mod cells;
mod expressions;
mod memory;
#[cfg(feature = "naive-heap")]
mod naive;
mod output;
mod startup;

use lavandula::{Context, Request, Response};

#[cfg(not(any(feature = "platform-heap", feature = "naive-heap")))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

#[cfg(feature = "naive-heap")]
#[global_allocator]
static HEAP: naive::NaiveHeap = naive::NaiveHeap::new();

lavandula::export!(answer, initialise = initialise);

fn initialise() {
    startup::initialise();
    expressions::initialise();
}

fn answer<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    #[cfg(feature = "naive-heap")]
    HEAP.turn();

    let marker = request.headers().get("x-lavandula-marker").unwrap_or("");
    let text = |name| request.query_value(name).unwrap_or("");
    let found = match request.path() {
        "/once" => cells::once(marker),
        "/thread-local" => cells::thread_local(marker),
        "/hash" => cells::hash(marker),
        "/static-vec" => cells::static_vec(marker),
        "/regex" => expressions::compiled_before(text("in")),
        "/lazy-regex" => expressions::compiled_here(text("in")),
        "/stdout" => output::partial_line(marker),
        "/lines" => output::lines(marker),
        "/hook" => output::hook(marker),
        "/panic" => panic!("asked to panic"),
        #[cfg(target_os = "wasi")]
        "/malloc" => memory::malloc(marker),
        "/grow" => memory::grow(),
        "/large" => memory::large(text("bytes").parse().unwrap_or(0)),
        "/image" => memory::image(marker),
        "/persist" => memory::persist(marker),
        "/init-count" => startup::initialised(marker),
        "/constructor" => startup::constructed(marker),
        _ => return Response::not_found("no such hazard", "text/plain"),
    };
    Response::ok(found, "text/plain")
}
