//! Stands before another handler: hands requests on to it, and leaves some of them
//! before it has an answer, which cancels the call.
#![cfg(target_arch = "wasm32")]

mod bindings {
    wit_bindgen::generate!({
        path: ["../../../wit", "../service/wit"],
        inline: "
            package test:fickle;

            world fickle {
                import lavandula:arena/invocation@0.1.0;
                import wasi:clocks/monotonic-clock@0.3.0;
                import wasi:http/handler@0.3.0;
                export wasi:http/handler@0.3.0;
            }
        ",
        world: "test:fickle/fickle",
        generate_all,
    });
}

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bindings::exports::wasi::http0_3_0::handler::Guest;
use bindings::lavandula::arena::invocation;
use bindings::wasi::clocks0_3_0::monotonic_clock::wait_for;
use bindings::wasi::http0_3_0::handler;
use bindings::wasi::http0_3_0::types::{ErrorCode, Fields, Request, Response};
use bindings::wit_future;

/// What is found of a request is then where the handler has left it.
#[global_allocator]
static HEAP: guest_support::Wiping = guest_support::Wiping;

struct Component;

bindings::export!(Component with_types_in bindings);

/// How long it waits for an answer that it will leave, in nanoseconds.
const PATIENCE: u64 = 500_000_000;

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        if target == "/usage" {
            return Ok(told());
        }
        if !target.ends_with("&leave") {
            return handler::handle(request).await;
        }
        let answer = {
            let mut call = pin!(handler::handle(request));
            let mut patience = pin!(wait_for(PATIENCE));
            poll_fn(|cx| match call.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => patience.as_mut().poll(cx).map(|()| None),
            })
            .await
        };
        // The call is gone by now.
        answer.unwrap_or_else(|| Ok(status(499, &[])))
    }
}

/// What the other one says of its arenas, as headers.
fn told() -> Response {
    let usage = invocation::usage();
    let figures = [
        ("used", usage.used),
        ("committed", usage.committed),
        ("resets", usage.resets),
    ];
    status(200, &figures)
}

fn status(status: u16, figures: &[(&str, u64)]) -> Response {
    let fields = Fields::new();
    for (name, number) in figures {
        let set = fields.append(name, number.to_string().as_bytes());
        set.expect("a valid header");
    }
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    drop(no_trailers);
    let (response, _) = Response::new(fields, None, trailers);
    response.set_status_code(status).expect("a status");
    response
}
