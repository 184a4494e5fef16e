//! Works with JavaScript beside its requests, through wasm-bindgen: it calls functions
//! there, exports some of its own, and holds on to values that are no bytes of its
//! memory, which a rewind alone cannot take back.

use core::mem::forget;

use lavandula::{Context, Request, Response};
use wasm_bindgen::prelude::*;

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

lavandula::export!(handle);

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Math)]
    fn max(a: f64, b: f64) -> f64;

    #[wasm_bindgen(catch, js_namespace = JSON)]
    fn parse(text: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = JSON)]
    fn stringify(value: &JsValue) -> String;
}

/// An export of the author's own, beside the handler.
#[wasm_bindgen]
pub fn shout(text: &str) -> String {
    text.to_uppercase()
}

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    match request.path() {
        "/max" => Response::ok(max(3.0, 4.0).to_string(), "text/plain"),
        "/format" => format(request),
        "/hold" => hold(request),
        "/throw" => throw(),
        _ => Response::ok(request.body(), "application/octet-stream"),
    }
}

/// JavaScript reads the body as JSON and writes it again.
fn format(request: Request<'_>) -> Response<'static> {
    let text = String::from_utf8_lossy(request.body());
    match parse(&text) {
        Ok(value) => Response::ok(stringify(&value), "application/json"),
        Err(_) => Response::bad_request("this is no JSON\n", "text/plain"),
    }
}

/// Keeps so many values of JavaScript for ever.
fn hold(request: Request<'_>) -> Response<'static> {
    let number = request.query_value("n").and_then(|n| n.parse().ok());
    for n in 0..number.unwrap_or(0) {
        forget(JsValue::from_str(&format!("value {n}")));
    }
    Response::ok("held\n", "text/plain")
}

/// An exception of JavaScript's leaves the handler in the middle of its work.
fn throw() -> ! {
    wasm_bindgen::throw_str("thrown by the handler")
}
