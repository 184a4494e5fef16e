//! The handler of `examples/everywhere`, with Spin's SDK 5, the last one that makes
//! components for `wasi:http` 0.2.

#[path = "../../answers.rs"]
mod answers;

use answers::{Asked, answer};
use spin_sdk::http::{IntoResponse, Request, Response};
use spin_sdk::http_component;

#[http_component]
fn handle(request: Request) -> impl IntoResponse {
    let headers = request.headers();
    let answer = answer(Asked {
        method: &request.method().to_string(),
        path: request.path(),
        query: request.query(),
        headers: headers
            .map(|(name, value)| (name, value.as_bytes()))
            .collect(),
        body: request.body().to_vec(),
    });
    let mut response = Response::builder();
    response.status(answer.status);
    for (name, value) in answer.headers {
        // Its builder takes text, and one value for each name.
        response.header(name, String::from_utf8_lossy(&value));
    }
    response.body(answer.body).build()
}
