//! Requests of its own, by `wasi:http` 0.2.

use lavandula::Response;

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package tests:outbound;
            world fetching {
                import wasi:http/outgoing-handler@0.2.0;
            }
        ",
        path: "../../../wit",
        generate_all,
        type_section_suffix: "fetching",
    });
}

use bindings::wasi::http::outgoing_handler::handle;
use bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, OutgoingRequest, Scheme,
};
use bindings::wasi::io::streams::StreamError;

/// The answer of the server at `url`, or the error as a text, with status 403.
pub fn relay(url: &str) -> Response<'static> {
    match fetch(url) {
        Ok((status, body)) => Response::new(status).with_body(body),
        Err(code) => Response::new(403).with_body(format!("{code:?}").into_bytes()),
    }
}

fn fetch(url: &str) -> Result<(u16, Vec<u8>), ErrorCode> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let request = OutgoingRequest::new(Fields::new());
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;

    let coming = handle(request, None)?;
    coming.subscribe().block();
    let response = coming.get().expect("it is there").expect("taken once")?;
    read(&response)
}

fn read(response: &IncomingResponse) -> Result<(u16, Vec<u8>), ErrorCode> {
    let body: IncomingBody = response.consume().expect("taken once");
    let stream = body.stream().expect("taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok((response.status(), bytes)),
            Err(StreamError::LastOperationFailed(_)) => {
                return Err(ErrorCode::HttpResponseIncomplete);
            }
        }
    }
}
