//! A handler whose statics and whose request have the sizes that are asked for:
//! what a rewind takes depends on both.
//!
//! The features say how many KiB of statics there are, and the path how many bytes
//! a request takes from the arena: `/65536`. All of them are written, and so is
//! every cache line of the statics. A request that finds one written already
//! answers with 500: then what was measured was no rewind.

use std::sync::atomic::{AtomicU8, Ordering};

use lavandula::{AllocError, Context, Request, Response};

#[cfg(all(target_family = "wasm", not(feature = "forgetful")))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

lavandula::export!(handle);

const KIB: usize = if cfg!(feature = "statics-1024") {
    1024
} else if cfg!(feature = "statics-256") {
    256
} else if cfg!(feature = "statics-64") {
    64
} else if cfg!(feature = "statics-25") {
    25
} else if cfg!(feature = "statics-16") {
    16
} else if cfg!(feature = "statics-4") {
    4
} else {
    0
};

/// What changes in every request.
static STATICS: [AtomicU8; KIB * 1024] = [const { AtomicU8::new(0) }; KIB * 1024];

const CACHE_LINE: usize = 64;

const TEXT: &str = "text/plain";

fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    for byte in STATICS.iter().step_by(CACHE_LINE) {
        if byte.swap(0xA5, Ordering::Relaxed) != 0 {
            return Ok(Response::internal_server_error("not as new\n", TEXT));
        }
    }
    let Ok(bytes) = request.path().trim_start_matches('/').parse() else {
        return Ok(Response::not_found("the path is a number of bytes\n", TEXT));
    };
    let taken = cx.arena().alloc_slice_fill_with(bytes, |_| 0xA5_u8)?;
    // Nobody looks at them: else they might not be written.
    std::hint::black_box(taken);
    Ok(Response::ok("", TEXT))
}
