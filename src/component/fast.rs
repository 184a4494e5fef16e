//! The fast door: `lavandula:arena/handler`, plain values in and out.

use super::edge_handler::Handler;
use super::edge_handler::edge::exports::lavandula::arena::handler as wit;
use crate::http::headers_in;
use crate::{AllocError, Arena, IntoResponse, Request, Response, instance};

impl<T: Handler> wit::Guest for T {
    fn handle(request: wit::Request) -> wit::Response {
        let answer = instance::run(T::initialise, |cx| match copy(cx.arena(), request) {
            Ok(request) => lower(T::handle(cx, request)),
            Err(error) => lower(error.into_response()),
        });
        answer.unwrap_or_else(|error| lower(error.into_response()))
    }
}

/// Moves the request into the arena. The values that the host lowered come from
/// the global allocator, and are freed here.
fn copy(arena: &Arena, request: wit::Request) -> Result<Request<'_>, AllocError> {
    let authority = match &request.authority {
        Some(authority) => Some(&*arena.strdup(authority)?),
        None => None,
    };
    Ok(Request::new(
        arena.strdup(&request.method)?,
        arena.strdup(&request.path_with_query)?,
    )
    .with_authority(authority)
    .with_headers(headers_in(arena, &request.headers)?)
    .with_body(arena.alloc_slice_copy(&request.body)?))
}

fn lower(response: Response<'_>) -> wit::Response {
    wit::Response {
        status: response.status(),
        headers: response.owned_headers(),
        body: response.into_body().into_vec(),
    }
}
