//! The handler of all makers, with `wstd`.

use wstd::http::{Body, Error, Method, Request, Response};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    if request.method() == Method::GET {
        let query = request.uri().query().unwrap_or_default();
        let name = query.split_once("q=").map_or("world", |(_, name)| name);
        return Ok(Response::new(format!("hello {name}\n").into()));
    }
    let mut body = request.into_body();
    let bytes = body.contents().await?.to_vec();
    Ok(Response::new(bytes.into()))
}
