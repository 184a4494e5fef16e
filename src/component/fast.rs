//! The fast door: `lavandula:arena/handler`, plain values in and out.

use core::mem::ManuallyDrop;

use super::edge_handler::edge::exports::lavandula::arena::handler as wit;
use crate::handler::Handler;
use crate::http::{headers_in, headers_of};
use crate::{AllocError, Arena, IntoResponse, Request, Response, instance};

impl<T: Handler> wit::Guest for T {
    fn handle(request: wit::Request) -> wit::Response {
        let answer = instance::run(T::initialise, |cx| match receive(cx.arena(), request) {
            Ok(request) => lower(T::handle(cx, request)),
            Err(error) => lower(error.into_response()),
        });
        answer.unwrap_or_else(|error| lower(error.into_response()))
    }
}

/// The request as the handler sees it: in the arena.
fn receive(arena: &Arena, request: wit::Request) -> Result<Request<'_>, AllocError> {
    if !instance::holds_everything() {
        return copy(arena, request);
    }
    // It lies there already, and is taken back with everything else.
    let request = arena.alloc(ManuallyDrop::new(request))?;
    let request: &mut wit::Request = request;
    Ok(Request::new(&request.method, &request.path_with_query)
        .with_authority(request.authority.as_deref())
        .with_headers(headers_of(arena, &mut request.headers)?)
        .with_body(&request.body))
}

/// Copies the request into the arena. The values that the host lowered come from
/// another allocator, and are freed here.
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
