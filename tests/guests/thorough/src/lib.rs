//! Uses everything that the end of a request has to take back, and is a good handler
//! all the same: whatever is left of it is the library's fault.
//!
//! Every request does a bit of all. What it does most of is up to its path. Where it
//! finds what it should not, it traps.
//!
//! - `arenas.rs`: blocks of all kinds, by the arena's own methods
//! - `heap.rs`: what goes through the global allocator, and around it
//! - `statics.rs`: what outlives a request but for a rewind
//! - `elsewhere.rs`: the stack, and what the host holds for the guest
#![cfg(target_arch = "wasm32")]

mod arenas;
mod elsewhere;
#[cfg(not(feature = "without-image"))]
mod heap;
#[cfg(not(feature = "without-image"))]
mod statics;

use lavandula::{AllocError, Context, Request, Response};

#[cfg(not(feature = "without-image"))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

#[cfg(feature = "without-image")]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

lavandula::export!(answer, initialise = initialise);

fn initialise() {
    #[cfg(not(feature = "without-image"))]
    statics::initialise();
}

fn answer<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let arena = cx.arena();
    let marker = request.query_value("q").unwrap_or("");
    arenas::small(arena, marker)?;
    #[cfg(not(feature = "without-image"))]
    {
        heap::small(marker);
        statics::change(marker);
    }
    elsewhere::stack(marker);
    elsewhere::hold_until_the_end(arena)?;
    match request.path() {
        "/blocks" => arenas::blocks(arena, marker)?,
        "/large" => arenas::large(arena, marker)?,
        "/zeroed" => arenas::zeroed(arena, marker)?,
        #[cfg(not(feature = "without-image"))]
        "/resized" => heap::resized(marker),
        #[cfg(not(feature = "without-image"))]
        "/outside" => heap::outside(marker),
        _ => {}
    }
    // Last, so that nothing is put over what it leaves.
    #[cfg(not(feature = "without-image"))]
    if request.path() == "/shrunk" {
        return Ok(Response::ok(heap::shrunk(marker), "text/plain"));
    }
    Ok(Response::ok(request.body(), "text/plain"))
}
