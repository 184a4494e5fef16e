//! Takes a page in every request.

use lavandula::{Context, Request, Response};

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::memory_grow::<0>(1);
    Response::ok(request.body(), "application/octet-stream")
}

lavandula::export!(handle);
