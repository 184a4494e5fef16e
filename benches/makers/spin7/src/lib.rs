//! The handler of `examples/everywhere`, with Spin's SDK 7, which makes components for
//! `wasi:http` 0.3.

#[path = "../../answers.rs"]
mod answers;

use answers::{Asked, answer};
use bytes::Bytes;
use http::Response;
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{FullBody, Request, Result};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Result<Response<FullBody<Bytes>>> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    let body = body.bytes().await?.to_vec();
    let answer = answer(Asked {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: headers
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect(),
        body,
    });
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(FullBody::new(answer.body.into()))?)
}
