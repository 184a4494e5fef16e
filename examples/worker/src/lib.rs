//! Counts the words of a text: `POST /count`.
//!
//! A template. `lavandula npm` makes an npm package of it that answers requests in
//! workers, edge functions, Node.js, Deno, Bun and browsers; `lavandula build` makes a
//! component of the very same file.

use lavandula::{AllocError, Context, Request, Response};

/// All of a request lies in the arena, and the rewind puts back everything else.
#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

lavandula::export!(handle);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

const USAGE: &str = "\
POST /count  a text; the answer is how many lines, words and characters it has

curl --data-binary @README.md http://127.0.0.1:8080/count
";

/// Answers one request.
///
/// # Errors
/// [`AllocError`] where the arena has no room for the answer, which is a 507.
pub fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    Ok(match (request.path(), request.method()) {
        ("/", "GET" | "HEAD") => Response::ok(USAGE, TEXT),
        ("/count", "POST") => count(cx, request)?,
        ("/", _) => method_not_allowed(b"GET, HEAD"),
        ("/count", _) => method_not_allowed(b"POST"),
        _ => Response::not_found("there is `/` and `/count`\n", TEXT),
    })
}

fn count<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let Ok(text) = std::str::from_utf8(request.body()) else {
        return Ok(Response::bad_request("the text is not UTF-8\n", TEXT));
    };
    let (lines, words) = (text.lines().count(), text.split_whitespace().count());
    let characters = text.chars().count();
    let answer = cx.arena().alloc_fmt(format_args!(
        "{{\"lines\":{lines},\"words\":{words},\"characters\":{characters}}}\n"
    ))?;
    Ok(Response::ok(answer, JSON))
}

fn method_not_allowed(allowed: &'static [u8]) -> Response<'static> {
    Response::method_not_allowed("this path does not take this method\n", TEXT)
        .with_header("allow", allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_counted() {
        let mut invocation = lavandula::Invocation::new();
        let answer = invocation.run(|cx| {
            let request =
                Request::new("POST", "/count").with_body("Zwölf Boxkämpfer\njagen".as_bytes());
            let response = handle(cx, request).unwrap();
            (response.status(), response.body().as_bytes().to_vec())
        });
        let expected = b"{\"lines\":2,\"words\":3,\"characters\":22}\n";
        assert_eq!(answer, Ok((200, expected.to_vec())));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let mut invocation = lavandula::Invocation::new();
        let status = invocation.run(|cx| {
            let request = Request::new("POST", "/count").with_body(b"\xff");
            handle(cx, request).unwrap().status()
        });
        assert_eq!(status, Ok(400));
    }
}
