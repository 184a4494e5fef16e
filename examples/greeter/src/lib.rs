//! Greets guests in the language of whoever asks: `POST /greet`, a name on a line.
//!
//! It is small, so that what is around it can be read: `tests/memory.rs` holds its
//! memory to what it should be.

#[cfg(feature = "remembers")]
mod mistake;
mod phrases;

use lavandula::{AllocError, Context, Request, Response};

/// All of a request lies in the arena, and the rewind puts back everything else.
#[cfg(all(target_family = "wasm", not(feature = "remembers")))]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

lavandula::export!(handle, initialise = phrases::prepare);

const TEXT: &str = "text/plain; charset=utf-8";

const USAGE: &str = "\
POST /greet  a name on each line; accept-language says in which language

curl -H 'accept-language: fr' --data-binary @examples/greeter/tests/traffic/guests.txt http://127.0.0.1:8080/greet
";

/// Answers one request.
///
/// # Errors
/// [`AllocError`] where the arena has no room for the answer, which is a 507.
pub fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    Ok(match (request.path(), request.method()) {
        ("/", "GET" | "HEAD") => Response::ok(USAGE, TEXT),
        ("/greet", "POST") => greet(cx, request)?,
        ("/", _) => method_not_allowed(b"GET, HEAD"),
        ("/greet", _) => method_not_allowed(b"POST"),
        _ => Response::not_found("there is `/` and `/greet`\n", TEXT),
    })
}

fn greet<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let Ok(guests) = std::str::from_utf8(request.body()) else {
        return Ok(Response::bad_request("the names are not UTF-8\n", TEXT));
    };
    let languages = request.headers().get("accept-language").unwrap_or("");
    let greeting = phrases::phrases().accepted(languages);

    let mut answer = cx.arena().buffer();
    for guest in guests.lines().map(str::trim).filter(|it| !it.is_empty()) {
        #[cfg(feature = "remembers")]
        mistake::remember(guest);
        for piece in [greeting, ", ", guest, "!\n"] {
            answer.push(piece.as_bytes())?;
        }
    }
    Ok(Response::ok(answer.finish(), TEXT))
}

fn method_not_allowed(allowed: &'static [u8]) -> Response<'static> {
    Response::method_not_allowed("this path does not take this method\n", TEXT)
        .with_header("allow", allowed)
}
