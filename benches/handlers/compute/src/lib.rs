//! A handler that answers at once, or computes for as long as it is asked to:
//! `/compute?steps=300000000`. It calls nothing of the host meanwhile, so that only
//! an interruption from outside lets others have the thread.

use lavandula::{AllocError, Context, Request, Response};

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

lavandula::export!(handle);

const TEXT: &str = "text/plain";

fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    match request.path() {
        "/" => Ok(Response::ok("here\n", TEXT)),
        "/compute" => {
            let steps = request.query_value("steps").and_then(|n| n.parse().ok());
            let Some(steps) = steps else {
                return Ok(Response::bad_request(
                    "say how many steps: ?steps=1000\n",
                    TEXT,
                ));
            };
            let mut text = cx.arena().buffer();
            writeln!(text, "{}", computed(steps))?;
            Ok(Response::ok(text.finish(), TEXT))
        }
        _ => Ok(Response::not_found("there are / and /compute\n", TEXT)),
    }
}

/// Each step needs the one before (splitmix64), so that nothing is left out.
fn computed(steps: u64) -> u64 {
    let mut state = 0_u64;
    for step in 0..steps {
        state = (state ^ step).wrapping_add(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    state
}
