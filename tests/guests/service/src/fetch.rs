//! Requests of its own, by `wasi:http` 0.3.

use crate::bindings::wasi::http::client::send;
use crate::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response, Scheme, Trailers};
use crate::bindings::wit_future;

/// The answer of the server at `url`, whose body goes through as it comes, or the
/// error as a text, with status 403.
pub async fn relay(url: &str) -> Response {
    match fetch(url).await {
        Ok(response) => response,
        Err(code) => crate::text(403, format!("{code:?}")),
    }
}

async fn fetch(url: &str) -> Result<Response, ErrorCode> {
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
    let (no_trailers, trailers) =
        wit_future::new::<Result<Option<Trailers>, ErrorCode>>(|| Ok(None));
    drop(no_trailers);
    let (request, _) = Request::new(Fields::new(), None, trailers, None);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;

    let answer = send(request).await?;
    let status = answer.get_status_code();
    let (done, result) = wit_future::new::<Result<(), ErrorCode>>(|| Ok(()));
    drop(done);
    let (body, trailers) = Response::consume_body(answer, result);
    let (response, _) = Response::new(Fields::new(), Some(body), trailers);
    response.set_status_code(status).expect("a status");
    Ok(response)
}
