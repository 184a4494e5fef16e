//! The handler of all makers, with `waki`.

use waki::{ErrorCode, Method, Request, Response, handler};

#[handler]
fn answer(request: Request) -> Result<Response, ErrorCode> {
    let bytes = match request.method() {
        Method::Get => {
            let query = request.query();
            let name = query.get("q").map_or("world", String::as_str);
            format!("hello {name}\n").into_bytes()
        }
        _ => request
            .body()
            .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?,
    };
    Response::builder().body(bytes).build()
}
