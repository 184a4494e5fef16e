//! Renders Markdown to HTML, without a copy between the arena and the client:
//! the document is read where the host has put it, and the HTML is written
//! behind it.
//!
//! `POST /render` takes a document and answers with the HTML of its content,
//! `POST /render?full=true` with a whole page.
//!
//! Raw HTML in a document is passed through, as Markdown has it. Where strangers
//! write the documents, sanitise what comes out.

mod render;
#[cfg(test)]
mod tests;

use lavandula::{AllocError, Context, Request, Response};

use crate::render::Extent;

/// Also what the libraries allocate is overwritten once it is freed, so that
/// nothing of one request is left for the next.
#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

lavandula::export!(handle);

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

const USAGE: &str = "\
POST /render            the document in the body as HTML
POST /render?full=true  as a whole page, with the first heading as its title

curl --data-binary @examples/markdown/data/tokio-changelog.md 'http://127.0.0.1:8080/render?full=true'
";

/// Answers one request.
///
/// # Errors
/// [`AllocError`] where the arena has no room for the HTML, which is a 507.
pub fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    Ok(match (request.path(), request.method()) {
        ("/", "GET" | "HEAD") => Response::ok(USAGE, TEXT),
        ("/render", "POST") => render(cx, request)?,
        ("/", _) => method_not_allowed(b"GET, HEAD"),
        ("/render", _) => method_not_allowed(b"POST"),
        _ => Response::not_found("there is `/` and `/render`\n", TEXT),
    })
}

fn render<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let extent = match request.query_value("full") {
        None | Some("false") => Extent::Content,
        Some("true") => Extent::Page,
        Some(_) => {
            return Ok(Response::unprocessable_content(
                "`full` is true or false\n",
                TEXT,
            ));
        }
    };
    let document = match std::str::from_utf8(request.body()) {
        Ok(document) => document,
        Err(error) => {
            let problem = format!(
                "the body is not UTF-8 from byte {} on\n",
                error.valid_up_to()
            );
            return Ok(Response::bad_request(problem, TEXT));
        }
    };
    let html = render::render(cx.arena(), document, extent)?;
    Ok(Response::ok(html, HTML))
}

fn method_not_allowed(allowed: &'static [u8]) -> Response<'static> {
    Response::method_not_allowed("this path does not take this method\n", TEXT)
        .with_header("allow", allowed)
}
