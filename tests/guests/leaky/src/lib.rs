//! Leaks a little in every request, so that what comes after lies elsewhere.
//!
//! Too little for memory to grow during a check, and none of it is of the
//! request: only the addresses tell.

use lavandula::{Context, Request, Response};

#[cfg(all(target_family = "wasm", not(feature = "invocation-heap")))]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

#[cfg(all(target_family = "wasm", feature = "invocation-heap"))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    let leaked = Box::leak(Box::new([request.body().len() as u64; 3]));
    // Nobody uses it, and the compiler would leave it out.
    std::hint::black_box(leaked);
    Response::ok(request.body(), "application/octet-stream")
}

lavandula::export!(handle);
