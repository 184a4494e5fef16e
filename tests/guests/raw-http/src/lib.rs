//! Answers over `wasi:http` 0.2 itself, without a library in between: piece by
//! piece, and wrongly in the ways that only this interface knows. What it does is
//! what the path says; the query has the figures.
#![cfg(target_arch = "wasm32")]

mod answer;
mod request;
mod streaming;
mod wrong;

/// The bindings.
mod http {
    wit_bindgen::generate!({
        inline: "
            package tests:raw-http;
            world raw-http {
                import wasi:clocks/monotonic-clock@0.2.0;
                export wasi:http/incoming-handler@0.2.0;
            }
        ",
        path: "../../../wit",
        generate_all,
    });

    pub use self::wasi::http::types;
    pub use self::wasi::io::streams;

    struct Handler;

    impl exports::wasi::http::incoming_handler::Guest for Handler {
        fn handle(request: types::IncomingRequest, out: types::ResponseOutparam) {
            super::handle(&super::request::Asked::of(&request), request, out);
        }
    }

    export!(Handler);
}

use http::types::{IncomingRequest, ResponseOutparam};
use request::Asked;

fn handle(asked: &Asked, request: IncomingRequest, out: ResponseOutparam) {
    match asked.path() {
        "/count" => answer::whole(out, 200, count().to_string().as_bytes()),
        "/echo" => answer::whole(out, 200, &request::whole(request)),

        "/stream" => streaming::pieces(asked, out),
        "/echo-stream" => streaming::echo(request, out),
        "/partial-trap" => streaming::then_trap(out),
        "/partial-spin" => streaming::then_spin(out),
        "/partial-drop" => streaming::then_drop(out),
        "/slow-head" => streaming::slow_head(asked, out),
        "/endless" => streaming::endless(out),
        "/slow-reader" => streaming::slow_reader(asked, request, out),

        "/never" => {}
        "/hold-and-spin" => wrong::hold_and_spin(&out),
        "/hold-and-wait" => wrong::hold_and_wait(&out),
        "/twice" => wrong::twice(out),
        "/trap-after" => wrong::trap_after(out),
        "/error-code" => wrong::error_code(out),
        "/length" => wrong::length(asked, out),
        "/status" => wrong::status(asked, out),
        "/field" => wrong::field(asked, out),
        "/drop" => wrong::drop_body(out),
        "/leave-open" => wrong::leave_open(out),
        "/handles" => wrong::handles(),
        _ => answer::whole(out, 404, b"no such path"),
    }
}

/// How many requests this instance has served.
fn count() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static SERVED: AtomicU32 = AtomicU32::new(0);
    SERVED.fetch_add(1, Ordering::Relaxed) + 1
}
