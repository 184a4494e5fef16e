//! Which HTTP features does a browser support? A handler that parses a large
//! JSON document, walks it, and answers with JSON.
//!
//! `POST /filter?browser=firefox&since=100` takes a tree of
//! [browser-compat-data] and keeps the features that the browser has had since
//! that release or earlier. The request lies in the arena of the invocation
//! already, the parsed document borrows its texts from there, and the answer is
//! written there too.
//!
//! - `lib.rs`: routes and answers
//! - `query.rs`: what the client asks for
//! - `compat.rs`, `version.rs`: the document
//! - `filter.rs`: the work
//! - `problem.rs`: what can be wrong with a request
//!
//! [browser-compat-data]: https://github.com/mdn/browser-compat-data

mod compat;
mod filter;
mod problem;
mod query;
#[cfg(test)]
mod tests;
mod version;

use lavandula::{AllocError, Context, Request, Response};
use serde::Serialize;

use crate::problem::Problem;
use crate::query::Query;

/// Also what the libraries allocate is overwritten once it is freed, so that
/// nothing of one request is left for the next.
#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

lavandula::export!(handle);

const JSON: &str = "application/json";

const USAGE: &str = r#"{
  "usage": "POST /filter?browser=NAME[&since=RELEASE][&deprecated=true], with a tree of browser-compat-data as the body",
  "example": "curl --data-binary @examples/json-api/data/http-compat.json 'http://127.0.0.1:8080/filter?browser=firefox&since=100'"
}
"#;

/// Answers one request.
///
/// # Errors
/// [`AllocError`] where not even the answer finds room, which is a 507.
pub fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let answer = match (request.path(), request.method()) {
        ("/", "GET" | "HEAD") => return Ok(Response::ok(USAGE, JSON)),
        ("/filter", "POST") => filter(cx, request),
        ("/", _) => Err(Problem::Method {
            allowed: "GET, HEAD",
        }),
        ("/filter", _) => Err(Problem::Method { allowed: "POST" }),
        _ => Err(Problem::Path),
    };
    answer.or_else(|problem| refuse(cx, &problem))
}

fn filter<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, Problem> {
    let query = Query::of(&request)?;
    let document = compat::parse(request.body())?;
    let answer = filter::filter(cx.arena(), &document, &query)?;
    Ok(json(cx, 200, &answer)?)
}

fn refuse<'a>(cx: &'a Context, problem: &Problem) -> Result<Response<'a>, AllocError> {
    // If it is for want of room, this is what the reserve is for.
    cx.arena().open_reserve();
    let response = json(cx, problem.status(), &problem.report())?;
    Ok(match problem {
        Problem::Method { allowed } => response.with_header("allow", allowed.as_bytes()),
        _ => response,
    })
}

/// A response whose body is `value`, written straight into the arena.
fn json<'a>(
    cx: &'a Context,
    status: u16,
    value: &impl Serialize,
) -> Result<Response<'a>, AllocError> {
    let mut body = cx.arena().buffer();
    // The buffer knows better than serde_json why writing failed.
    serde_json::to_writer(&mut body, value)
        .map_err(|_| body.failure().unwrap_or(AllocError::Format))?;
    body.push(b"\n")?;
    Ok(Response::with_status(status, body.finish(), JSON))
}
