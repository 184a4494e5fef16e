//! Takes its time to initialise, and none to answer. Opens standard error when it
//! initialises, and writes to it in each request.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use lavandula::{Context, Request, Response};

#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

/// How long initialisation takes.
const TIME: Duration = Duration::from_millis(300);

static BUILT: OnceLock<String> = OnceLock::new();

fn initialise() {
    eprintln!("initialising");
    BUILT.get_or_init(|| {
        let begun = Instant::now();
        let mut rounds = 0_u64;
        while begun.elapsed() < TIME {
            rounds += 1;
        }
        format!("ready: {}", rounds > 0)
    });
}

fn handle<'a>(_: &'a Context, _: Request<'a>) -> Response<'a> {
    eprintln!("answering");
    Response::ok(
        BUILT.get().map_or("not ready", String::as_str),
        "text/plain",
    )
}

lavandula::export!(handle, initialise = initialise);
