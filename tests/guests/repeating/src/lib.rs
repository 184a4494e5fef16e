//! Answers with what the last request had.
//!
//! In between it keeps that where a search does not know it. Memory tells nothing:
//! only the answer does.

use std::sync::Mutex;

use lavandula::{Context, Request, Response};

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

const LEN: usize = 32;
const KEY: u8 = 0x55;

static HIDDEN: Mutex<[u8; LEN]> = Mutex::new([KEY; LEN]);

fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Response<'a> {
    let user = request.headers().get("x-lavandula-marker").unwrap_or("");
    let Ok(mut hidden) = HIDDEN.lock() else {
        return Response::new(500);
    };
    let Ok(last) = cx.arena().alloc_slice_copy(&*hidden) else {
        return Response::new(507);
    };
    for byte in last.iter_mut() {
        *byte ^= KEY;
    }
    for (place, byte) in hidden.iter_mut().zip(user.bytes()) {
        *place = byte ^ KEY;
    }
    Response::ok(&*last, "application/octet-stream")
}

lavandula::export!(handle);
