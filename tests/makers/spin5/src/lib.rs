//! The handler of all makers, with Spin's SDK 5, the last one that makes components
//! for `wasi:http` 0.2.

use spin_sdk::http::{IntoResponse, Method, Request, Response};
use spin_sdk::http_component;

#[http_component]
fn answer(request: Request) -> impl IntoResponse {
    if *request.method() == Method::Get {
        let query = request.query();
        let name = query.split_once("q=").map_or("world", |(_, name)| name);
        return Response::new(200, format!("hello {name}\n"));
    }
    Response::new(200, request.into_body())
}
