//! Keeps a resource of the host in every request: something to wait for, for which it
//! never waits.
//!
//! Nothing of the request is in it, and the guest's memory has not even room for its
//! number: only the host's table tells.

use lavandula::{Context, Request, Response};

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

#[cfg(target_arch = "wasm32")]
mod clock {
    wit_bindgen::generate!({
        inline: "
            package tests:clinging;
            world clinging {
                import wasi:clocks/monotonic-clock@0.2.0;
            }
        ",
        path: "../../../wit",
        generate_all,
        type_section_suffix: "clinging",
    });

    /// Takes a resource and forgets to give it back.
    pub fn cling() {
        let pollable = wasi::clocks::monotonic_clock::subscribe_duration(1);
        std::mem::forget(pollable);
    }
}

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    #[cfg(target_arch = "wasm32")]
    clock::cling();
    Response::ok(request.body(), "application/octet-stream")
}

lavandula::export!(handle);
