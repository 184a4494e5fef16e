//! Frees what it allocates and leaves the bytes there: a handler without
//! `InvocationHeap`. Memory is reused, nothing leaks, and whoever reads freed
//! memory reads the last request.

use lavandula::{Context, Request, Response};

fn handle<'a>(_: &'a Context, request: Request<'a>) -> Response<'a> {
    Response::ok(request.body(), "application/octet-stream")
}

lavandula::export!(handle);
