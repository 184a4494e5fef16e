//! Keeps in a static where the path of the last request lies, which is in the
//! arena of that request.
//!
//! The arena is taken back and the static is not. Nobody reads what it points to:
//! who did would read another request. Nothing is left of the path itself, nothing
//! grows and nothing moves: only the pointer tells.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use lavandula::{Context, Request, Response};

#[cfg(all(target_family = "wasm", not(feature = "invocation-heap")))]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

#[cfg(all(target_family = "wasm", feature = "invocation-heap"))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

static LAST_PATH: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    let path = request.path().as_ptr().cast_mut();
    // Without the black box the compiler would see that nobody reads it.
    std::hint::black_box(&LAST_PATH).store(path, Ordering::Relaxed);
    Response::ok(request.body(), "application/octet-stream")
}

lavandula::export!(handle);
