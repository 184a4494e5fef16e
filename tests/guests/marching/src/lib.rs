//! Hoards in a static, which has room for it from the start: every request writes to
//! the next page of it.
//!
//! Memory does not grow, nothing of a request is left, nothing moves and nothing
//! points anywhere: only which pages are written tells.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use lavandula::{Context, Request, Response};

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

const PAGE: usize = 4096;
const PAGES: usize = 512;

static SERVED: AtomicUsize = AtomicUsize::new(0);
static HOARD: [AtomicU8; PAGES * PAGE] = [const { AtomicU8::new(0) }; PAGES * PAGE];

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    let served = SERVED.fetch_add(1, Ordering::Relaxed);
    HOARD[served % PAGES * PAGE].fetch_add(1, Ordering::Relaxed);
    Response::ok(request.body(), "application/octet-stream")
}

lavandula::export!(handle);
