//! The handler of all makers, with Spin's SDK 7, which makes components for
//! `wasi:http` 0.3.

use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::http::{Method, Request, Result};
use spin_sdk::http_service;

#[http_service]
async fn answer(request: Request) -> Result<Vec<u8>> {
    if request.method() == Method::GET {
        let query = request.uri().query().unwrap_or_default();
        let name = query.split_once("q=").map_or("world", |(_, name)| name);
        return Ok(format!("hello {name}\n").into_bytes());
    }
    Ok(request.into_body().bytes().await?.to_vec())
}
