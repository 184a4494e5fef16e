//! Fails in the way that its path says, and otherwise sends the request back.

use lavandula::{AllocError, Context, IntoResponse, Request, Response};

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: lavandula::InvocationHeap = lavandula::InvocationHeap::new();

fn handle<'a>(cx: &'a Context, request: Request<'a>) -> Response<'a> {
    match request.path() {
        "/trap" => panic!("asked to trap"),
        "/spin" => spin(),
        "/overflow" => Response::ok(overflow(1).to_string(), "text/plain"),
        "/sleep" => sleep(number(&request)),
        "/exit" => std::process::exit(0),
        "/hoard" => hoard(),
        "/fill" => fill(cx).into_response(),
        "/fill-then-trap" => {
            let _ = fill(cx);
            panic!("asked to trap")
        }
        "/status" => Response::new(number(&request)),
        "/header" => Response::new(200).with_header("not a name", b"x"),
        "/value" => Response::new(200).with_header("x-value", b"x\r\nx-smuggled: 1"),
        "/connection" => Response::ok("answered", "text/plain")
            .with_header("connection", b"close")
            .with_header("transfer-encoding", b"chunked"),
        "/headers" => Response::new(200).with_header("x-large", large(cx, number(&request))),
        "/length" => Response::ok("ten bytes.", "text/plain").with_header(
            "content-length",
            request.query_value("n").unwrap_or("").as_bytes(),
        ),
        "/large" => Response::ok(
            vec![b'x'; usize::from(number(&request)) * 1024],
            "text/plain",
        ),
        "/count" => count(),
        "/stack" => stack(&request),
        "/print" => print(),
        "/leak" => leak(),
        "/handles" => loop {
            leak();
        },
        "/describe" => describe(cx, request).into_response(),
        _ => Response::ok(request.body(), "application/octet-stream"),
    }
}

lavandula::export!(handle);

fn number(request: &Request<'_>) -> u16 {
    let number = request.query_value("n").and_then(|n| n.parse().ok());
    number.unwrap_or(0)
}

fn spin() -> ! {
    let mut n = 0_u64;
    loop {
        n = core::hint::black_box(n.wrapping_add(1));
    }
}

fn overflow(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    frame[0].wrapping_add(overflow(depth + 1))
}

/// Waits on the host's clock for so many milliseconds.
fn sleep(milliseconds: u16) -> Response<'static> {
    #[cfg(target_os = "wasi")]
    clock::wasi::clocks::monotonic_clock::subscribe_duration(u64::from(milliseconds) * 1_000_000)
        .block();
    Response::ok(format!("{milliseconds} ms"), "text/plain")
}

/// So many KiB.
fn large(cx: &Context, kib: u16) -> &[u8] {
    let bytes = vec![b'x'; usize::from(kib) * 1024];
    cx.arena()
        .alloc_slice_copy(&bytes)
        .map_or(&[], |bytes| bytes)
}

/// Takes memory through the global allocator until there is none, and dies of
/// it.
fn hoard() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1_u8; 1 << 20]);
    }
}

/// Takes memory through the arena until there is none, and survives it.
fn fill(cx: &Context) -> Result<Response<'_>, AllocError> {
    loop {
        cx.arena().calloc(1, 1 << 20)?;
    }
}

/// How many requests this instance has served.
fn count() -> Response<'static> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static SERVED: AtomicU32 = AtomicU32::new(0);
    let served = SERVED.fetch_add(1, Ordering::Relaxed) + 1;
    Response::ok(served.to_string(), "text/plain")
}

#[cfg(target_os = "wasi")]
mod clock {
    wit_bindgen::generate!({
        inline: "
            package tests:faulty;
            world leaking {
                import wasi:clocks/monotonic-clock@0.2.0;
            }
        ",
        path: "../../../wit",
        generate_all,
        type_section_suffix: "leaking",
    });
}

/// Takes a resource of the host and forgets it.
fn leak() -> Response<'static> {
    #[cfg(target_os = "wasi")]
    core::mem::forget(clock::wasi::clocks::monotonic_clock::subscribe_duration(1));
    Response::ok("leaked", "text/plain")
}

/// Writes to standard error, which the platform's library opens for that.
fn print() -> Response<'static> {
    eprintln!("printed");
    Response::ok("printed", "text/plain")
}

/// Leaves the request's marker in a frame of the shadow stack.
#[inline(never)]
fn stack(request: &Request<'_>) -> Response<'static> {
    let marker = request.headers().get("x-lavandula-marker").unwrap_or("");
    let mut frame = [0_u8; 256];
    for (place, byte) in frame.iter_mut().zip(marker.bytes()) {
        *place = byte;
    }
    core::hint::black_box(&mut frame);
    Response::no_content()
}

/// What the handler sees of the request.
fn describe<'a>(cx: &'a Context, request: Request<'a>) -> Result<Response<'a>, AllocError> {
    let mut text = cx.arena().buffer();
    writeln!(text, "{} {}", request.method(), request.path_with_query())?;
    writeln!(text, "authority: {}", request.authority().unwrap_or("-"))?;
    for header in request.headers() {
        let value = core::str::from_utf8(header.value).unwrap_or("not UTF-8");
        writeln!(text, "{}: {value}", header.name)?;
    }
    write!(text, "body: {} bytes", request.body().len())?;
    Ok(Response::ok(text.finish(), "text/plain").with_header("x-path", request.path().as_bytes()))
}
