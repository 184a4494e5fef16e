//! Keeps numbers in a static, and some of them look like addresses of its arena.
//!
//! There is nothing wrong with it: it has no image, so that the numbers stay, and
//! it frees and overwrites what it takes. A check that cannot tell a number from a
//! pointer would find it at fault.

use std::sync::atomic::{AtomicU32, Ordering};

use lavandula::{Context, Request, Response};

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

/// How many numbers there are, from which on, and how far apart: wherever the arena
/// is in a memory of less than a mebibyte, some of them are addresses of it.
const NUMBERS: usize = 1024;
const FIRST: u32 = 0x40;
const STEP: u32 = 0x400;

static KEPT: [AtomicU32; NUMBERS] = [const { AtomicU32::new(0) }; NUMBERS];

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    let numbers = (0..).map(|i| FIRST + i * STEP);
    for (kept, number) in std::hint::black_box(&KEPT).iter().zip(numbers) {
        kept.store(number, Ordering::Relaxed);
    }
    Response::ok(request.body(), "application/octet-stream")
}

lavandula::export!(handle);
